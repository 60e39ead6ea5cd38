#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "autograd/ops.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/scalar_math.h"

namespace palinode::optim {
namespace {

TEST(Schedule, ANumberIsTheSameRateAtEveryStep) {
  const Schedule lr = 0.1;
  for (const std::uint64_t t : {0ULL, 1ULL, 1000000ULL}) EXPECT_EQ(lr.at(t), 0.1);
}

TEST(Schedule, WarmsUpLinearlyAndReachesThePeakWithItsLastStep) {
  const Schedule lr = ScheduleConfig{.peak = 0.3, .warmup = 7};
  for (std::uint64_t t = 0; t < 7; ++t) {
    EXPECT_EQ(lr.at(t), 0.3 * (static_cast<double>(t + 1) / 7.0));
  }
  EXPECT_EQ(lr.at(6), 0.3);
  EXPECT_EQ(lr.at(7), 0.3);
  EXPECT_EQ(lr.at(700), 0.3);
}

TEST(Schedule, TheCosineFallsFromThePeakToTheFloorAndStaysThere) {
  const Schedule lr = ScheduleConfig{.peak = 0.3, .steps = 100, .floor = 0.03};
  EXPECT_EQ(lr.at(0), 0.3);
  EXPECT_DOUBLE_EQ(lr.at(50), 0.165);
  for (std::uint64_t t = 1; t <= 100; ++t) {
    const double x = static_cast<double>(t) / 100;
    EXPECT_NEAR(lr.at(t), 0.03 + 0.27 * (1 + std::cos(std::numbers::pi * x)) / 2, 2e-16);
    EXPECT_LT(lr.at(t), lr.at(t - 1));
  }
  EXPECT_EQ(lr.at(100), 0.03);
  EXPECT_EQ(lr.at(101), 0.03);
}

TEST(Schedule, WarmsUpAndThenFallsOverTheStepsThatAreLeft) {
  const Schedule both = ScheduleConfig{.peak = 0.3, .warmup = 20, .steps = 120, .floor = 0.03};
  const Schedule cosine = ScheduleConfig{.peak = 0.3, .steps = 100, .floor = 0.03};
  EXPECT_EQ(both.at(0), 0.3 * (1.0 / 20));
  for (std::uint64_t t = 0; t <= 110; ++t) EXPECT_EQ(both.at(20 + t), cosine.at(t));
}

TEST(Schedule, HasTheSameBitsOnEveryTarget) {
  const Schedule lr = ScheduleConfig{.peak = 0.3, .warmup = 3, .steps = 1000, .floor = 0.01};
  for_each_simd([&] {
    EXPECT_EQ(lr.at(1), 0.3 * (2.0 / 3.0));
    for (const std::uint64_t t : {3U, 333U, 500U, 901U, 999U}) {
      const double u = static_cast<double>(t - 3) / (2 * 997);
      const double h = 0.5 * (1 + scalar::cos_of_turns(u));
      EXPECT_EQ(lr.at(t), 0.3 * h + 0.01 * (1 - h));
    }
  });
}

TEST(Schedule, RefusesWhatIsNoSchedule) {
  EXPECT_MESSAGE(Schedule(ScheduleConfig{.peak = 0.1, .warmup = 5, .steps = 5}), Error,
                 "schedule: a warm-up of 5 steps leaves nothing of 5");
  EXPECT_MESSAGE(Schedule(ScheduleConfig{.peak = 0.1, .floor = 0.2}), Error,
                 "schedule: the rate goes from a finite peak down to a floor of 0 or more, got 0.1 "
                 "and 0.2");
  EXPECT_THROW(Schedule(-0.1), Error);
  EXPECT_THROW(Schedule{std::numeric_limits<double>::quiet_NaN()}, Error);
  EXPECT_THROW(Schedule{std::numeric_limits<double>::infinity()}, Error);
}

TEST(Schedule, AnOptimizerTakesTheRateOfItsStep) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);
  ledger.commit({.proposer = "t", .writes = {{&theta, "w", Tensor::scalar(1, Dtype::kF64), true}}});
  const Schedule lr = ScheduleConfig{.peak = 0.5, .warmup = 2, .steps = 5};
  double w = 1;
  for (std::uint64_t t = 0; t < 7; ++t) {
    const Sgd sgd(state, theta, {.lr = lr});  // the step is in the state: nothing else is kept
    EXPECT_EQ(sgd.lr(), lr.at(t));
    Tape tape;
    const Var x = tape.parameter(theta, "w");
    ledger.commit(sgd.propose(backward(scale(x, 2))));
    w = w - lr.at(t) * 2;
    EXPECT_EQ(theta.at("w").item(), w);
  }
}

}  // namespace
}  // namespace palinode::optim
