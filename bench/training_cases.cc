#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <memory>

#include "autograd/ops.h"
#include "bench/case.h"
#include "bench/limits.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/sgd.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr std::size_t kMib = std::size_t{1} << 20;

// Training a classifier on one batch, over and over.
template <class Optimizer>
struct Training {
  Training(Ledger::Level level, const std::vector<std::size_t>& sizes, std::size_t batch)
      : ledger(level),
        theta(ledger.open("theta", Role::kIdentity)),
        model(theta, {.sizes = sizes}),
        x(Rng(1).stream("x").normal({batch, sizes.front()}, Dtype::kF32)),
        y(Tensor::full<std::int32_t>({batch}, 3)) {
    ledger.commit(model.init(Rng(1)));
    optimizer.reset(new Optimizer(ledger.open("state", Role::kOptimizer), theta, {.lr = 1e-3}));
  }

  void step() {
    Tape tape;
    nn::Run run(tape);
    ledger.commit(
        optimizer->propose(backward(cross_entropy(model.forward(run, tape.constant(x)), y))));
  }

  Ledger ledger;
  const Store& theta;
  nn::Mlp model;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor x, y;
};

// What the records of each commit cost: the same training with a ledger of level digest and of
// level off.
template <class Optimizer>
Case ledger_case(const char* what, const std::vector<std::size_t>& sizes, std::size_t batch) {
  return {.what = what,
          .unit = Unit::kPerSecond,
          .work = 1,
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const auto training = [&](Ledger::Level level) -> std::function<void()> {
              const auto one = std::make_shared<Training<Optimizer>>(level, sizes, batch);
              return [one] { one->step(); };
            };
            return {{.name = "Palinode",
                     .variant = "ledger digest",
                     .run = training(Ledger::Level::kDigest)},
                    {.name = "ledger off", .run = training(Ledger::Level::kOff)}};
          },
          .bars = {{"ledger off", "best", 0.95, "the ledger takes at most 5 % of a step"}}};
}

std::function<void()> openssl_sha256(const std::shared_ptr<const Tensor>& x) {
  return [x] {
    unsigned char digest[EVP_MAX_MD_SIZE];
    const std::span<const float> values = x->values<float>();
    EVP_Digest(values.data(), values.size_bytes(), digest, nullptr, EVP_sha256(), nullptr);
    benchmark::DoNotOptimize(digest);
  };
}

std::shared_ptr<const Tensor> random_tensor(std::size_t elements) {
  return std::make_shared<const Tensor>(
      Tensor::from<float>(Buffer<float>(elements).in(), Shape{elements}));
}

// A ledger with one store to freeze.
struct Frozen {
  explicit Frozen(const Tensor& values) {
    ledger.commit({.proposer = "bench", .writes = {{&store, "w", values, true}}});
  }
  Ledger ledger;
  const Store& store = ledger.open("theta", Role::kIdentity);
};

Case freeze_case() {
  return {.what = "freeze 16 MiB: map, protect, fingerprint",
          .unit = Unit::kMilliseconds,
          .work = 1,
          .make = []() -> std::vector<Contender> {
            set_threads(1);
            const auto values = random_tensor(4 * kMib);
            const auto ready = std::make_shared<std::unique_ptr<Frozen>>();
            return {{.name = "Palinode",
                     .run = [=] { (*ready)->ledger.freeze((*ready)->store); },
                     .before = [=] { *ready = std::make_unique<Frozen>(*values); }},
                    {.name = "OpenSSL", .variant = "SHA-256 alone", .run = openssl_sha256(values)}};
          },
          .bars = {{"OpenSSL", "best", kMib * 16 / 1.57e9 / 20e-3,
                    "20 ms where 16 MiB of SHA-256 at 1.57 GB/s take 10.7"}}};
}

Case sha256_case() {
  return {.what = "SHA-256 of a leaf f32 1 Mi",
          .unit = Unit::kGbytes,
          .work = double(4 * kMib),
          .make = []() -> std::vector<Contender> {
            set_threads(1);
            const auto x = random_tensor(kMib);
            return {{.name = "Palinode",
                     .run = [x] { benchmark::DoNotOptimize(leaf_digest("w", *x)); }},
                    {.name = "OpenSSL", .run = openssl_sha256(x)}};
          }};
}

Case xxh3_case(const char* what, std::size_t elements) {
  const std::size_t bytes = elements * sizeof(float);
  return {.what = what,
          .unit = Unit::kGbytes,
          .work = double(bytes),
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const auto x = random_tensor(elements);
            const auto library = [=] {
              benchmark::DoNotOptimize(XXH3_128bits(x->values<float>().data(), bytes));
            };
            return {{.name = "Palinode", .run = [x] { benchmark::DoNotOptimize(xxh3(*x)); }},
                    {.name = "libxxhash", .run = library},
                    read_limit(bytes)};
          }};
}

}  // namespace

std::vector<Case> training_cases() {
  return {
      ledger_case<optim::Sgd>("MLP 64-64-10, batch 32, SGD step", {64, 64, 10}, 32),
      ledger_case<optim::Adam>("MLP 64-64-10, batch 32, Adam step", {64, 64, 10}, 32),
      ledger_case<optim::Adam>("MLP 784-256-128-10, batch 64, Adam step", {784, 256, 128, 10}, 64),
      freeze_case(),
      sha256_case(),
      xxh3_case("XXH3-128 f32 16 Ki", 16384),
      xxh3_case("XXH3-128 f32 1 Mi", kMib),
  };
}

}  // namespace palinode::bench
