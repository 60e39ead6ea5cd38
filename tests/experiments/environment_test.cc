#include "experiments/environments/environment.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "experiments/environments/bandit.h"
#include "experiments/environments/cartpole.h"
#include "experiments/environments/grid_world.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

// Rewards and observations of an episode in which action t is number t of a stream.
std::vector<double> played(Environment environment, const Rng& stream) {
  std::vector<double> seen;
  std::vector<float> now(environment.width());
  environment.reset(stream.stream("start"));
  while (!environment.done()) {
    environment.observe(now);
    seen.insert(seen.end(), now.begin(), now.end());
    const std::uint64_t t = environment.steps();
    seen.push_back(environment.step(
        static_cast<std::size_t>(stream.stream("actions").below(t, environment.actions()))));
  }
  return seen;
}

std::vector<Environment> all(const Labelled& examples) {
  return {BalanceTask(), BalanceTask({.physics = {.force = -10}, .stand = 1.0}),
          GridWorld(GridWorld::kGoalA), Bandit(examples, 3)};
}

Labelled three_examples() {
  const std::array<float, 6> x = {1, 2, 3, 4, 5, 6};
  const std::array<std::int32_t, 3> y = {2, 0, 1};
  return {Tensor::from<float>(x, {3, 2}), Tensor::from<std::int32_t>(y, {3})};
}

TEST(Environment, PlaysTheSameEpisodeForTheSameStreamAndActions) {
  const Labelled examples = three_examples();
  for (const Environment& environment : all(examples)) {
    const std::vector<double> first = played(environment, Rng(1));
    EXPECT_EQ(first, played(environment, Rng(1)));
    bool another = false;
    for (std::uint64_t seed = 2; seed < 6; ++seed) {
      another = another || first != played(environment, Rng(seed));
    }
    EXPECT_TRUE(another) << "the stream decides nothing";
  }
}

TEST(Environment, IsAValueWhoseCopyGoesItsOwnWay) {
  Environment one = GridWorld(GridWorld::kGoalA);
  one.reset(Rng(3));
  one.step(1);
  Environment other = one;
  other.step(2);
  EXPECT_EQ(one.steps(), 1U);
  EXPECT_EQ(other.steps(), 2U);
  std::vector<float> a(one.width()), b(one.width());
  one.observe(a);
  other.observe(b);
  EXPECT_NE(a, b);
  one = other;
  one.observe(a);
  EXPECT_EQ(a, b);
}

TEST(Environment, AddsUpTheRewardsOfTheEpisode) {
  Environment environment = BalanceTask();
  environment.reset(Rng(1));
  while (!environment.done()) environment.step(1);
  EXPECT_EQ(environment.episode_return(), static_cast<double>(environment.steps()));
  environment.reset(Rng(1));
  EXPECT_EQ(environment.episode_return(), 0);
}

TEST(Environment, RefusesAStepOutsideAnEpisodeAndAnUnknownAction) {
  Environment environment = BalanceTask();
  EXPECT_MESSAGE(environment.step(0), Error,
                 "environment: no episode is running, after 0 steps; reset it");
  environment.reset(Rng(1));
  EXPECT_MESSAGE(environment.step(2), Error, "environment: action 2 is not in [0, 2)");
  while (!environment.done()) environment.step(1);
  EXPECT_THROW(environment.step(1), Error);
}

// -------------------------------------------------------------------------------------------------

TEST(Bandit, ShowsAnExampleAndPaysForItsClassOnly) {
  const Labelled examples = three_examples();
  Bandit bandit(examples, 3);
  std::array<bool, 3> shown = {};
  for (std::uint64_t i = 0; i < 20; ++i) {
    std::array<float, 2> x = {};
    bandit.reset(Rng(1).stream(i));
    bandit.observe(x);
    const auto row = static_cast<std::size_t>((x[0] - 1) / 2);
    shown[row] = true;
    EXPECT_EQ(x[1], examples.x.values<float>()[2 * row + 1]);
    const auto label = static_cast<std::size_t>(examples.y.values<std::int32_t>()[row]);
    const std::size_t action = i % 3;
    EXPECT_EQ(bandit.progress(), Progress::kRunning);
    EXPECT_EQ(bandit.step(action), action == label ? 1 : 0);
    EXPECT_EQ(bandit.progress(), Progress::kEnded);
  }
  EXPECT_EQ(shown, (std::array<bool, 3>{true, true, true}));
}

TEST(Bandit, RefusesLabelsItHasNoActionFor) {
  const Labelled examples = three_examples();
  EXPECT_MESSAGE(Bandit(examples, 2), Error, "bandit: label 2 is not in [0, 2)");
}

}  // namespace
}  // namespace palinode::experiments
