// What behaviors cost: attaching and detaching, whatever the size of the model, and a low-rank one
// on every linear layer beside the plain model.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "bench/case.h"
#include "bench/training.h"
#include "nn/mlp.h"
#include "rbl/attach.h"
#include "rbl/runtime.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr nn::GptConfig kSmall{.vocab = 65, .context = 64, .layers = 4, .heads = 4, .width = 128};
constexpr nn::GptConfig kLarge{.vocab = 65, .context = 128, .layers = 6, .heads = 8, .width = 256};

// A frozen identity, and a runtime with one unit over it.
template <class M>
struct Life {
  template <class Config>
  explicit Life(const Config& config)
      : theta(ledger.open("theta", Role::kIdentity)), model(theta, config) {
    ledger.commit(model.init(Rng(1).stream("init")));
    ledger.freeze(theta);
    runtime = std::make_unique<rbl::Runtime>(ledger, model);
    runtime->create("unit", {.kind = "lora", .settings = {{"rank", 8}}}, Rng(2));
    // Away from the start, where B is zero, and as far as training goes: with factors of size one
    // the layers' outputs are in the tens, where GELU and softmax are slow, attached or not.
    runtime->train("unit", [](const nn::Model&, const Store& phi) {
      Proposal proposal{.reason = Reason::kNoise, .proposer = "bench"};
      for (const Entry& entry : phi.entries()) {
        if (!entry.name.ends_with(".lora_B")) continue;
        const Tensor z = Rng(3).stream(entry.name).normal(entry.value.shape(), Dtype::kF32);
        TensorBuilder small(z.shape(), Dtype::kF32);
        kernels::scale<float>(z.values<float>(), 0.05F, small.values<float>());
        proposal.writes.push_back({&phi, entry.name, std::move(small).build()});
      }
      return proposal;
    });
  }

  Ledger ledger;
  const Store& theta;
  M model;
  std::unique_ptr<rbl::Runtime> runtime;
};

template <class M, class Config>
Case attach_case(std::string what, const Config& config) {
  return {.what = fmt::format("attach and detach, LoRA rank 8, {}", what),
          .unit = Unit::kMilliseconds,
          .work = 1,
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const auto life = std::make_shared<Life<M>>(config);
            return {{.name = "Palinode",
                     .variant = "two records",
                     .run =
                         [life] {
                           life->runtime->attach("unit");
                           life->runtime->detach("unit");
                         }},
                    {.name = "the bar", .cost = [] { return 20e-6; }}};
          },
          .bars = {{"the bar", "best", 1, "each takes at most 10 us, whatever the model"}}};
}

// One pass over `batch` sequences of `time` tokens.
Case overhead_case(std::size_t batch, std::size_t time) {
  return {.what = fmt::format("GPT 4 layers, d 128, forward {}x{} with LoRA rank 8 on every linear",
                              batch, time),
          .unit = Unit::kMilliseconds,
          .work = 1,
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const auto life = std::make_shared<Life<nn::Gpt>>(kSmall);
            life->runtime->attach("unit");
            const Rng rng(4);
            std::vector<std::int32_t> ids(batch * time);
            for (std::size_t i = 0; i < ids.size(); ++i) {
              ids[i] = static_cast<std::int32_t>(rng.below(i, 65));
            }
            const Tensor x = Tensor::from<std::int32_t>(ids, {batch, time});
            return {{.name = "Palinode",
                     .variant = "with LoRA",
                     .run = [=] { nn::evaluate(life->runtime->function(), x); }},
                    {.name = "the plain model", .run = [=] { nn::evaluate(life->model, x); }}};
          },
          .bars = {{"the plain model", "best", 1 / 1.134,
                    "8.4 % more products in the linear layers, and 5 points"}}};
}

}  // namespace

std::vector<Case> behavior_cases() {
  return {
      attach_case<nn::Mlp>("MLP 64-64-10", nn::MlpConfig{.sizes = {64, 64, 10}}),
      attach_case<nn::Gpt>("GPT 6 layers, d 256", kLarge),
      overhead_case(16, 64),
      overhead_case(1, 64),
      overhead_case(1, 1),
  };
}

}  // namespace palinode::bench
