#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <xxhash.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "bench/case.h"
#include "bench/limits.h"
#include "bench/training.h"
#include "nn/gpt.h"
#include "nn/mlp.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr std::size_t kMib = std::size_t{1} << 20;

// The files of a journal, for as long as it is measured.
class JournalFile {
 public:
  JournalFile() : path_(fmt::format("{}/palinode-bench-{}.ledger", folder(), ::getpid())) {}
  ~JournalFile() {
    std::error_code ignored;
    for (const char* end : {"", ".journal"}) std::filesystem::remove(path_ + end, ignored);
  }
  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  static std::string folder() { return std::filesystem::temp_directory_path().string(); }
  std::string path_;
};

// What the records of each commit cost: the same training with a ledger of every level. Off pays
// for the refusal of what is not finite, and for nothing else; the journal is written to a file.
template <class M, class Config>
Case ledger_case(const char* what, const Config& config, Descent descent,
                 const std::function<std::pair<Tensor, Tensor>()>& batch) {
  return {.what = what,
          .unit = Unit::kPerSecond,
          .work = 1,
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const std::pair<Tensor, Tensor> data = batch();
            const auto training = [&](Ledger::Level level) -> std::function<void()> {
              const auto file = level == Ledger::Level::kJournal
                                    ? std::make_shared<const JournalFile>()
                                    : std::shared_ptr<const JournalFile>();
              const auto one = std::make_shared<Training<M>>(
                  config, descent, data.first, data.second, level, file ? file->path() : "");
              return [file, one] { one->step(); };
            };
            return {{.name = "Palinode",
                     .variant = "ledger digest",
                     .run = training(Ledger::Level::kDigest)},
                    {.name = "ledger off", .run = training(Ledger::Level::kOff)},
                    {.name = "ledger summary", .run = training(Ledger::Level::kSummary)},
                    {.name = "ledger journal", .run = training(Ledger::Level::kJournal)}};
          },
          .bars = {{"ledger off", "best", 0.95, "the ledger takes at most 5 % of a step"},
                   {"ledger summary", "best", 0, ""},
                   {"ledger journal", "best", 0, ""}}};
}

Case mlp_ledger_case(const char* what, const std::vector<std::size_t>& sizes, std::size_t rows,
                     Descent descent) {
  return ledger_case<nn::Mlp>(what, nn::MlpConfig{.sizes = sizes}, descent, [=] {
    return std::pair(Rng(1).stream("x").normal({rows, sizes.front()}, Dtype::kF32),
                     random_labels(rows, sizes.back()));
  });
}

Case gpt_ledger_case(const char* what, const GptSize& size, std::size_t batch) {
  return ledger_case<nn::Gpt>(what, gpt_config(size), Descent::kAdam, [=] {
    return std::pair(random_tokens(size, batch), next_tokens(size, batch));
  });
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

// A ledger with one store to freeze: the values in tensors of one size.
struct Frozen {
  Frozen(const Tensor& values, std::size_t tensors) {
    const std::size_t part = values.elements() / tensors;
    Proposal proposal{.proposer = "bench"};
    for (std::size_t i = 0; i < tensors; ++i) {
      const Tensor value = values.rows(i * part, (i + 1) * part).copy();
      proposal.writes.push_back({&store, fmt::format("w{}", i), value, true});
    }
    ledger.commit(proposal);
  }
  Ledger ledger;
  const Store& store = ledger.open("theta", Role::kIdentity);
};

Case freeze_case(const char* what, std::size_t tensors, std::size_t threads) {
  return {.what = what,
          .unit = Unit::kMilliseconds,
          .work = 1,
          .threads = threads,
          .make = [=]() -> std::vector<Contender> {
            set_threads(threads);
            const auto values = random_tensor(4 * kMib);
            const auto ready = std::make_shared<std::unique_ptr<Frozen>>();
            return {{.name = "Palinode",
                     .run = [=] { (*ready)->ledger.freeze((*ready)->store); },
                     .before = [=] { *ready = std::make_unique<Frozen>(*values, tensors); }},
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
      mlp_ledger_case("MLP 64-64-10, batch 32, SGD step", {64, 64, 10}, 32, Descent::kSgd),
      mlp_ledger_case("MLP 64-64-10, batch 32, Adam step", {64, 64, 10}, 32, Descent::kAdam),
      mlp_ledger_case("MLP 784-256-128-10, batch 64, Adam step", {784, 256, 128, 10}, 64,
                      Descent::kAdam),
      gpt_ledger_case("GPT 4 layers, d 128, ctx 64, batch 16, Adam step", kGpt128, 16),
      freeze_case("freeze 16 MiB: map, protect, fingerprint", 1, 1),
      freeze_case("freeze 16 MiB in 4 tensors, 2 threads", 4, 2),
      sha256_case(),
      xxh3_case("XXH3-128 f32 16 Ki", 16384),
      xxh3_case("XXH3-128 f32 1 Mi", kMib),
  };
}

}  // namespace palinode::bench
