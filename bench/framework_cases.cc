// Whole training steps against libtorch's: the rows of the models.
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "bench/case.h"
#include "bench/reinforce.h"
#include "bench/training.h"
#include "nn/gpt.h"
#include "nn/mlp.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr double kLossTolerance = 1e-4;  // relative, over the first steps from the same weights
constexpr std::size_t kLossSteps = 20;

Check same_losses(const std::vector<double>& ours, const std::vector<double>& theirs) {
  double worst = ours.size() == theirs.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    worst = std::max(worst, std::abs(ours[i] - theirs[i]) / std::abs(theirs[i]));
  }
  return {fmt::format("{} losses within {:.1e} of each other", theirs.size(), worst),
          worst <= kLossTolerance};
}

// How libtorch may use its threads: OpenMP's for its own loops, OpenBLAS's for products. Two pools
// of two would fight each other, so both at once are for an OpenBLAS that runs on OpenMP.
struct TorchThreads {
  int openmp, blas;
};

std::vector<TorchThreads> torch_threads(std::size_t threads) {
  if (threads == 1) return {{1, 1}};
  const int n = static_cast<int>(threads);
  if (libtorch()->blas_is_openmp) return {{n, n}, {n, 1}};
  return {{n, 1}, {1, n}};
}

std::string text_of(TorchThreads threads) {
  return fmt::format("OpenMP {}, BLAS {}", threads.openmp, threads.blas);
}

// A training of ours, and the same one for libtorch, from the same weights.
struct Pair {
  std::function<double()> ours;
  std::function<TorchTask()> task;  // good as long as `ours`
};

std::vector<Contender> contenders_of(const Pair& pair, std::size_t threads) {
  set_threads(threads);
  std::vector<Contender> all;
  const TorchTask task = pair.task();
  all.push_back({.name = "Palinode", .run = [pair] { pair.ours(); }});
  if (libtorch() == nullptr) return all;
  for (const TorchThreads how : torch_threads(threads)) {
    const std::shared_ptr<TorchTraining> torch = libtorch()->training(task);
    all.push_back({.name = "libtorch", .variant = text_of(how), .run = [torch, how] {
                     libtorch()->set_threads(how.openmp, how.blas);
                     torch->step();
                   }});
  }
  return all;
}

std::optional<Check> check_of(const Pair& pair, std::size_t threads) {
  if (libtorch() == nullptr) return {};
  set_threads(threads);
  libtorch()->set_threads(1, 1);
  const std::unique_ptr<TorchTraining> torch = libtorch()->training(pair.task());
  std::vector<double> ours, theirs;
  for (std::size_t i = 0; i < kLossSteps; ++i) {
    ours.push_back(pair.ours());
    theirs.push_back(torch->step());
  }
  return same_losses(ours, theirs);
}

Case training_case(std::string what, std::size_t threads, std::function<Pair()> make, double bar) {
  what += fmt::format(", {} thread{}", threads, threads == 1 ? "" : "s");
  return {.what = std::move(what),
          .unit = Unit::kPerSecond,
          .work = 1,
          .threads = threads,
          .make = [=] { return contenders_of(make(), threads); },
          .bars = {{"libtorch", "best", bar, "of libtorch's best"}},
          .check = [=] { return check_of(make(), threads); },
          .apart = true};
}

Pair mlp_pair(const std::vector<std::size_t>& sizes, std::size_t batch, Descent descent) {
  const auto ours = std::make_shared<Training<nn::Mlp>>(
      nn::MlpConfig{.sizes = sizes, .precision = Precision::kFast}, descent,
      Rng(1).stream("x").normal({batch, sizes.front()}, Dtype::kF32),
      random_labels(batch, sizes.back()));
  const auto task = [=] {
    return TorchTask{.parameters = parameters_of(ours->theta()),
                     .adam = descent == Descent::kAdam,
                     .lr = default_lr(descent),
                     .rows = batch,
                     .x = ours->x().template values<float>(),
                     .labels = ours->y().template values<std::int32_t>()};
  };
  return {[ours] { return ours->step(); }, task};
}

Case mlp_case(std::string_view name, const std::vector<std::size_t>& sizes, std::size_t batch,
              Descent descent, std::size_t threads, double bar) {
  const auto what = fmt::format("{}, batch {}, {} against libtorch", name, batch,
                                descent == Descent::kSgd ? "SGD" : "Adam");
  return training_case(
      what, threads, [=] { return mlp_pair(sizes, batch, descent); }, bar);
}

// --- GPT ---

// The model's names are libtorch's too.
Pair gpt_pair(const GptSize& size, std::size_t batch) {
  const auto ours = std::make_shared<Training<nn::Gpt>>(
      gpt_config(size), Descent::kAdam, random_tokens(size, batch), next_tokens(size, batch));
  const auto task = [=] {
    return TorchTask{.parameters = parameters_of(ours->theta()),
                     .adam = true,
                     .rows = batch,
                     .tokens = ours->x().template values<std::int32_t>(),
                     .labels = ours->y().template values<std::int32_t>(),
                     .gpt = size};
  };
  return {[ours] { return ours->step(); }, task};
}

Case gpt_case(std::string_view name, const GptSize& size, std::size_t batch, std::size_t threads,
              double bar) {
  const auto what = fmt::format("GPT {}, batch {}, Adam against libtorch", name, batch);
  return training_case(
      what, threads, [=] { return gpt_pair(size, batch); }, bar);
}

// --- CartPole ---

const nn::MlpConfig kPolicy = {.sizes = {4, 64, 2}, .precision = Precision::kFast};

class Player {
 public:
  std::array<float, 2> logits(const std::array<float, 4>& state) {
    const Tensor y = nn::evaluate(training_.model(), Tensor::from<float>(state, {1, 4}));
    return {y.values<float>()[0], y.values<float>()[1]};
  }
  double update(std::span<const float> states, std::span<const std::int32_t> actions,
                std::span<const float> weights) {
    const std::size_t n = actions.size();
    return training_.step(Tensor::from<float>(states, {n, 4}),
                          Tensor::from<std::int32_t>(actions, {n}),
                          Tensor::from<float>(weights, {n}));
  }
  TorchTask task(bool keeps_graphs) const {
    return {
        .parameters = parameters_of(training_.theta()), .adam = true, .keeps_graphs = keeps_graphs};
  }

 private:
  Training<nn::Mlp> training_{kPolicy, Descent::kAdam, {}, {}};
};

constexpr std::size_t kPlayed = 2000;  // environment steps, from the first weights on

std::vector<double> play() {
  Player player;
  return reinforce(player, kPlayed);
}

std::vector<double> torch_play(bool keeps_graphs) {
  const Player start;
  const std::unique_ptr<TorchPolicy> player = libtorch()->policy(start.task(keeps_graphs));
  return reinforce(*player, kPlayed);
}

Case cartpole_case() {
  const auto one_thread = [] {
    set_threads(1);
    if (libtorch() != nullptr) libtorch()->set_threads(1, 1);
  };
  return {.what = "CartPole, REINFORCE, MLP 4-64-2, environment steps, 1 thread",
          .unit = Unit::kPerSecond,
          .work = kPlayed,
          .make = [=]() -> std::vector<Contender> {
            one_thread();
            std::vector<Contender> all = {{.name = "Palinode", .run = [] { play(); }}};
            if (libtorch() == nullptr) return all;
            all.push_back({.name = "libtorch", .variant = "back through each pass", .run = [] {
                             torch_play(true);
                           }});
            all.push_back({.name = "libtorch", .variant = "one batch an episode", .run = [] {
                             torch_play(false);
                           }});
            return all;
          },
          .bars = {{"libtorch", "back through each pass", 10, "of the textbook's way"},
                   {"libtorch", "one batch an episode", 10, "of ours, done with libtorch"}},
          .check = [=]() -> std::optional<Check> {
            if (libtorch() == nullptr) return {};
            one_thread();
            return same_losses(play(), torch_play(false));
          },
          .apart = true};
}

}  // namespace

std::vector<Case> framework_cases() {
  const std::vector<std::size_t> small = {64, 64, 10}, large = {784, 256, 128, 10};
  const auto mlp = "MLP 64-64-10", wide = "MLP 784-256-128-10";
  return {
      mlp_case(mlp, small, 32, Descent::kSgd, 1, 8),
      mlp_case(mlp, small, 32, Descent::kAdam, 1, 10),
      mlp_case(wide, large, 64, Descent::kSgd, 1, 1.4),
      mlp_case(wide, large, 64, Descent::kAdam, 1, 1.7),
      mlp_case(wide, large, 64, Descent::kSgd, 2, 1.5),
      mlp_case(wide, large, 64, Descent::kAdam, 2, 1.8),
      gpt_case("4 layers, d 128, ctx 64", kGpt128, 16, 1, 1.25),
      gpt_case("4 layers, d 128, ctx 64", kGpt128, 16, 2, 1.5),
      gpt_case("6 layers, d 256, ctx 128", kGpt256, 8, 1, 1.15),
      gpt_case("6 layers, d 256, ctx 128", kGpt256, 8, 2, 1.3),
      cartpole_case(),
  };
}

}  // namespace palinode::bench
