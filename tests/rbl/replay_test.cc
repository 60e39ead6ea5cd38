// R9 to R11: steps of training played backwards, how far that goes, and what the lost bits change.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "optim/reversible_adam.h"
#include "tensor/error.h"
#include "tests/rbl/pilot.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

struct ReplayTest : testing::Test, Pilot {
  Replay replay(std::uint64_t steps, double lr) const {
    return {loss_of(1, rng.stream("adaptation")), steps, lr};
  }
  Outcome after(const Course& course, std::unique_ptr<Rollback> arm) {
    Arms arms;
    arms.push_back(std::move(arm));
    const Adapted adapted = adapt(course, arms);
    return undo(adapted, arms[0]);
  }
  Outcome sgd_back(std::uint64_t steps) {
    return after(adaptation(sgd({.lr = kSgdRate}), steps), reverse_sgd(replay(steps, kSgdRate)));
  }
  Outcome momentum_back(std::uint64_t steps) {
    return after(adaptation(sgd({.lr = 0.02, .momentum = 0.9}), steps),
                 reverse_momentum(replay(steps, 0.02)));
  }
  Outcome adam_back(std::uint64_t steps) {
    return after(adaptation(adam({.lr = 1e-3}), steps), reverse_adam(replay(steps, 1e-3)));
  }
  static constexpr double kSgdRate = 0.1;

  // Adapts by a reversible optimizer and undoes it.
  template <class Optimizer, class Config>
  Outcome exactly(const Config& config, std::uint64_t steps) {
    const Loss loss = loss_of(1, rng.stream("adaptation"));
    const auto arm = reverse_exactly(loss, config);
    const Store& theta = fork(original);
    arm->before(theta);
    const nn::Mlp function(theta, Pilot::config());
    const Store& state = ledger.open("state." + theta.name(), Role::kOptimizer);
    const Optimizer optimizer(state, theta, config);
    ledger.commit(optimizer.begin());
    for (std::uint64_t t = 0; t < steps; ++t) {
      ledger.commit(optimizer.propose(pass(function, loss, t).gradients));
    }
    arm->after_optimizer(state);
    arm->after(theta);
    EXPECT_GE(arm->bytes_kept(), state.bytes());
    return undo({theta, state, divergence(theta)}, *arm);
  }
};

// The table of docs/rollback.md.
TEST_F(ReplayTest, HasAHorizonThatEndsWithinTwoHundredSteps) {
  fmt::print("{:>5} {:>12} {:>12} {:>12}\n", "T", "R9", "R10", "R11");
  std::map<std::uint64_t, std::array<double, 3>> rf;
  for (const std::uint64_t steps : std::initializer_list<std::uint64_t>{5, 20, 50, 100, 200}) {
    rf[steps] = {sgd_back(steps).rf, momentum_back(steps).rf, adam_back(steps).rf};
    fmt::print("{:>5} {:>12.6f} {:>12.6f} {:>12.6f}\n", steps, rf[steps][0], rf[steps][1],
               rf[steps][2]);
  }
  EXPECT_GT(rf[20][0], 0.99);
  EXPECT_LT(rf[200][0], 0.9);
  EXPECT_GT(rf[100][1], 0.9);
  EXPECT_LT(rf[200][1], rf[20][1]);
  EXPECT_GT(rf[5][2], 0.9);
  EXPECT_LT(rf[200][2], 0.9);
}

TEST_F(ReplayTest, KeepsTheFinalMomentsAndRunsThePassesOfTheSteps) {
  const Outcome momentum = momentum_back(20), adam = adam_back(5);
  EXPECT_GT(momentum.rf, 1 - 1e-6);
  EXPECT_GT(momentum.words, 0U);  // the function is back, not the bits
  EXPECT_EQ(momentum.price.bytes_kept, original.bytes());
  EXPECT_EQ(momentum.price.passes, 20U);
  EXPECT_EQ(adam.price.bytes_kept, 2 * original.bytes());
  EXPECT_EQ(sgd_back(5).price.bytes_kept, 0U);
}

TEST_F(ReplayTest, WithItsLostBitsMomentumComesBackWhole) {
  for (const std::uint64_t steps : std::initializer_list<std::uint64_t>{
           20, 100, 220}) {  // 220: a word of the buffer is put away
    const auto back = exactly<optim::ReversibleSgd>(optim::ReversibleConfig{.lr = 0.02}, steps);
    EXPECT_EQ(back.words, 0U) << steps;
    EXPECT_EQ(back.rf, 1.0) << steps;
  }
}

TEST_F(ReplayTest, WithItsLostBitsAdamComesBackWhole) {
  for (const std::uint64_t steps : std::initializer_list<std::uint64_t>{20, 100, 220}) {
    const auto back = exactly<optim::ReversibleAdam>(optim::ReversibleAdamConfig{}, steps);
    EXPECT_EQ(back.words, 0U) << steps;
    EXPECT_EQ(back.rf, 1.0) << steps;
  }
}

TEST_F(ReplayTest, WordsOffTheGridComeBackToo) {
  const Tensor bias = original.at("layer.0.bias");
  std::vector<float> values(bias.elements(), 1e-30F);
  values[1] = -0.0F;
  ledger.commit(
      {.proposer = "test",
       .writes = {{&original, "layer.0.bias", Tensor::from<float>(values, bias.shape())}}});
  EXPECT_EQ(exactly<optim::ReversibleSgd>(optim::ReversibleConfig{.lr = 0.02}, 5).words, 0U);
}

TEST_F(ReplayTest, WantsTheStateOfAsManySteps) {
  const auto arm = reverse_momentum(replay(7, 0.02));
  Arms arms;
  const Adapted adapted = adapt(adaptation(sgd({.lr = 0.02, .momentum = 0.9}), 5), arms);
  EXPECT_MESSAGE(arm->after_optimizer(adapted.state), Error,
                 "replay: " + adapted.state.name() + " has taken 5 steps, 7 are to be taken back");
  EXPECT_MESSAGE(undo(adapted, *arm), NameError,
                 "replay: after_optimizer was given no v/layer.0.weight");
}

}  // namespace
}  // namespace palinode::rbl
