#include "experiments/policy/advantage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::experiments::policy {
namespace {

// Three trajectories of 4, 1 and 3 steps; the first and the last were cut off.
Rollout rollout() {
  Rollout played;
  const Rng rng = Rng(1).stream("rewards");
  for (std::uint64_t i = 0; i < 8; ++i) played.rewards.push_back(rng.normal(i));
  played.trajectories = {{0, 4, false}, {4, 5, true}, {5, 8, false}};
  return played;
}

std::vector<double> drawn(const char* name, std::size_t count) {
  std::vector<double> values;
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(Rng(1).stream(name).normal(i));
  return values;
}

TEST(RewardsToGo, AreTheDiscountedSumsToTheEndOfTheTrajectory) {
  const Rollout played = rollout();
  const std::vector<double> got = rewards_to_go(played, 0.9);
  for (const Trajectory& trajectory : played.trajectories) {
    for (std::size_t t = trajectory.begin; t < trajectory.end; ++t) {
      double want = 0;
      for (std::size_t s = t; s < trajectory.end; ++s) {
        want += std::pow(0.9, static_cast<double>(s - t)) * played.rewards[s];
      }
      EXPECT_NEAR(got[t], want, 1e-14) << t;
    }
  }
}

TEST(AgainstOthers, TakesOffTheMeanOfTheOtherEpisodesAtTheSameStep) {
  const Rollout played = rollout();
  const std::vector<double> g = drawn("to go", 8);
  const std::vector<double> got = against_others(played, g);
  const std::vector<double> want = {g[0] - (g[4] + g[5]) / 2, g[1] - (0 + g[6]) / 2,
                                    g[2] - (0 + g[7]) / 2,    g[3] - 0,
                                    g[4] - (g[0] + g[5]) / 2, g[5] - (g[0] + g[4]) / 2,
                                    g[6] - (g[1] + 0) / 2,    g[7] - (g[2] + 0) / 2};
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(got[i], want[i], 1e-14) << i;
}

TEST(AgainstOthers, NeedsAnother) {
  Rollout played;
  played.rewards = {1};
  played.trajectories = {{0, 1, true}};
  const std::vector<double> to_go = {1};
  EXPECT_MESSAGE(against_others(played, to_go), Error,
                 "against_others: needs at least two trajectories, got 1");
}

// Equation 16: the sum of (gamma lambda)^l delta[t+l], written out.
TEST(GeneralizedAdvantages, AreTheSumsOfThePaper) {
  const Rollout played = rollout();
  const std::vector<double> v = drawn("values", 8), next = drawn("next", 3);
  const double gamma = 0.95, lambda = 0.7;
  const std::vector<double> got = generalized_advantages(played, v, next, gamma, lambda);
  for (std::size_t k = 0; k < 3; ++k) {
    const Trajectory& trajectory = played.trajectories[k];
    const auto delta = [&](std::size_t t) {
      const double last = trajectory.ended ? 0 : next[k];
      const double after = t + 1 < trajectory.end ? v[t + 1] : last;
      return played.rewards[t] + gamma * after - v[t];
    };
    for (std::size_t t = trajectory.begin; t < trajectory.end; ++t) {
      double want = 0;
      for (std::size_t s = t; s < trajectory.end; ++s) {
        want += std::pow(gamma * lambda, static_cast<double>(s - t)) * delta(s);
      }
      EXPECT_NEAR(got[t], want, 1e-13) << t;
    }
  }
}

TEST(GeneralizedAdvantages, AreRewardsToGoLessTheValueWhenNothingIsTrustedToTheCritic) {
  Rollout played = rollout();
  for (Trajectory& trajectory : played.trajectories) trajectory.ended = true;
  const std::vector<double> v = drawn("values", 8), next(3);
  const std::vector<double> got = generalized_advantages(played, v, next, 0.9, 1);
  const std::vector<double> to_go = rewards_to_go(played, 0.9);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(got[i], to_go[i] - v[i], 1e-13) << i;
}

TEST(Standardized, HasMeanZeroAndDeviationOne) {
  const std::vector<double> values = drawn("values", 100);
  const Tensor got = standardized(values);
  double mean = 0, square = 0;
  for (const float x : got.values<float>()) {
    mean += static_cast<double>(x) / 100;
    square += static_cast<double>(x) * static_cast<double>(x) / 100;
  }
  EXPECT_NEAR(mean, 0, 1e-7);
  EXPECT_NEAR(square, 1, 1e-6);
  EXPECT_GT(got.values<float>()[0] * (values[0] > values[1] ? 1 : -1),
            got.values<float>()[1] * (values[0] > values[1] ? 1 : -1));
}

TEST(Standardized, IsZeroWhereNothingStandsOut) {
  const Tensor got = standardized(std::vector<double>(5, 3.0));
  for (const float x : got.values<float>()) EXPECT_EQ(x, 0);
}

}  // namespace
}  // namespace palinode::experiments::policy
