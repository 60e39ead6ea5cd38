#include "experiments/environments/cartpole.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/rng.h"

namespace palinode::experiments {
namespace {

using State = CartPole::State;
using enum CartPole::Push;

// The same motion from another form of the equations: the two coupled ones of the Lagrangian,
//   (m_c + m_p) x'' + m_p l theta'' cos = F + m_p l theta'^2 sin
//   m_p l x'' cos + (4/3) m_p l^2 theta'' = m_p g l sin
// solved by Cramer's rule.
State euler_step(const State& s, double force, double m = 0.1, double l = 0.5) {
  const double total = m + 1, g = 9.8, tau = 0.02;
  const double sine = std::sin(s.angle), cosine = std::cos(s.angle), w = s.angular_velocity;
  const double a11 = total, a12 = m * l * cosine, b1 = force + m * l * w * w * sine;
  const double a21 = m * l * cosine, a22 = 4.0 / 3.0 * m * l * l, b2 = m * g * l * sine;
  const double determinant = a11 * a22 - a12 * a21;
  return {s.position + tau * s.velocity, s.velocity + tau * (b1 * a22 - a12 * b2) / determinant,
          s.angle + tau * w, w + tau * (a11 * b2 - a21 * b1) / determinant};
}

void expect_near(const State& got, const State& want, double tolerance) {
  EXPECT_NEAR(got.position, want.position, tolerance);
  EXPECT_NEAR(got.velocity, want.velocity, tolerance);
  EXPECT_NEAR(got.angle, want.angle, tolerance);
  EXPECT_NEAR(got.angular_velocity, want.angular_velocity, tolerance);
}

// By hand, from rest and upright: sin = 0, cos = 1, so the pull is 10 / 1.1 = 9.0909, theta'' =
// -9.0909 / (0.5 (4/3 - 0.1/1.1)) = -14.6341 and x'' = 9.0909 + 0.05 * 14.6341 / 1.1 = 9.7561; the
// first step changes the speeds alone; the second, pushing back while the pole is still upright,
// moves cart and pole by them and stops both.
TEST(CartPole, FollowsTheTrajectoryWorkedOutByHand) {
  CartPole pole(State{});
  pole.step(kRight);
  expect_near(pole.state(), {0, 0.02 * 9.75609756, 0, 0.02 * -14.63414634}, 1e-9);
  pole.step(kLeft);
  expect_near(pole.state(), {0.0039024390, 0, -0.0058536585, 0}, 1e-9);
}

TEST(CartPole, FollowsTheEquationsOfMotion) {
  const Rng rng = Rng(7).stream("pushes");
  CartPole pole(rng.stream("start"));
  State want = pole.state();
  for (std::uint64_t i = 0; i < 60; ++i) {
    const bool right = rng.below(i, 2) == 1;
    pole.step(right ? kRight : kLeft);
    want = euler_step(want, right ? 10 : -10);
    expect_near(pole.state(), want, 1e-11 * std::exp(0.2 * static_cast<double>(i)));
  }
}

TEST(CartPole, FollowsThemWithAnotherPole) {
  CartPole pole(State{.angle = 0.03, .angular_velocity = -0.2},
                {.force = 7, .pole_mass = 0.4, .half_length = 1.25});
  State want = pole.state();
  for (std::uint64_t i = 0; i < 30; ++i) {
    const bool right = Rng(7).below(i, 2) == 1;
    pole.step(right ? kRight : kLeft);
    want = euler_step(want, right ? 7 : -7, 0.4, 1.25);
    expect_near(pole.state(), want, 1e-11);
  }
}

TEST(CartPole, ANegativeForceExchangesThePushes) {
  CartPole usual(Rng(4).stream("episode")), crossed(Rng(4).stream("episode"), {.force = -10});
  for (std::uint64_t i = 0; i < 8; ++i) {
    const bool right = Rng(8).below(i, 2) == 1;
    usual.step(right ? kRight : kLeft);
    crossed.step(right ? kLeft : kRight);
    EXPECT_EQ(usual.state().position, crossed.state().position);
    EXPECT_EQ(usual.state().angular_velocity, crossed.state().angular_velocity);
  }
}

TEST(CartPole, StartsNearTheMiddleAtRandom) {
  const CartPole pole(Rng(1).stream("episode")), again(Rng(1).stream("episode")),
      other(Rng(2).stream("episode"));
  for (const double value : {pole.state().position, pole.state().velocity, pole.state().angle,
                             pole.state().angular_velocity}) {
    EXPECT_LT(std::abs(value), 0.05);
    EXPECT_NE(value, 0);
  }
  EXPECT_EQ(pole.state().angle, again.state().angle);
  EXPECT_NE(pole.state().angle, other.state().angle);
}

TEST(CartPole, EndsBeyondTheTrackAndBeyondTwelveDegrees) {
  EXPECT_FALSE(CartPole(State{.position = 2.4}).fallen());
  EXPECT_TRUE(CartPole(State{.position = -2.4000001}).fallen());
  EXPECT_FALSE(CartPole(State{.angle = 0.2094395}).fallen());
  EXPECT_TRUE(CartPole(State{.angle = -0.2094396}).fallen());
}

// About 0.0058536585 n (n - 1) / 2 after n steps: 36 times that is past 0.2094.
TEST(CartPole, FallsWhenPushedOneWayAndIsOverThen) {
  CartPole pole(State{});
  while (!pole.over()) pole.step(kRight);
  EXPECT_TRUE(pole.fallen());
  EXPECT_EQ(pole.steps(), 9U);
}

// A push against the fall, whichever way the pole leans and turns, holds it for good.
TEST(CartPole, IsOverAfterFiveHundredSteps) {
  CartPole pole(Rng(3).stream("held"));
  while (!pole.over()) {
    const State& s = pole.state();
    pole.step(s.angle + 0.5 * s.angular_velocity + 0.05 * s.position + 0.1 * s.velocity > 0
                  ? kRight
                  : kLeft);
  }
  EXPECT_FALSE(pole.fallen());
  EXPECT_EQ(pole.steps(), CartPole::kMaxSteps);
}

// -------------------------------------------------------------------------------------------------

// A push against the fall, and towards a place.
std::size_t held_at(const State& s, double place) {
  const double lean = s.angle + 0.3 * s.angular_velocity;
  const double drift = 0.2 * (s.position - place) + 0.2 * s.velocity;
  return lean + drift > 0 ? 1 : 0;
}

TEST(BalanceTask, EarnsOneAStepUntilThePoleFalls) {
  BalanceTask task;
  task.reset(Rng(1));
  double earned = 0;
  while (task.progress() == Progress::kRunning) earned += task.step(1);
  EXPECT_EQ(task.progress(), Progress::kEnded);
  EXPECT_EQ(earned, static_cast<double>(task.pole().steps()));
}

TEST(BalanceTask, IsCutOffAfterFiveHundredSteps) {
  BalanceTask task;
  task.reset(Rng(1));
  double earned = 0;
  while (task.progress() == Progress::kRunning)
    earned += task.step(held_at(task.pole().state(), 0));
  EXPECT_EQ(task.progress(), Progress::kCut);
  EXPECT_EQ(earned, 500);
}

TEST(BalanceTask, PaysForStandingWhereItShould) {
  BalanceTask task({.stand = 1.0});
  task.reset(Rng(1));
  double earned = 0, last = 0;
  while (task.progress() == Progress::kRunning) {
    last = task.step(held_at(task.pole().state(), 1));
    EXPECT_EQ(last, std::max(0.0, 1 - std::abs(task.pole().state().position - 1)));
    earned += last;
  }
  EXPECT_GT(last, 0.9);
  EXPECT_GT(earned, 400) << "what an adaptation is asked for can be had";
}

TEST(BalanceTask, ShowsTheStateInUnitsNearOne) {
  BalanceTask task;
  task.reset(Rng(6));
  task.step(1);
  const State& s = task.pole().state();
  std::array<float, 4> seen = {};
  task.observe(seen);
  EXPECT_NEAR(seen[0], s.position / 2.4, 1e-7);
  EXPECT_NEAR(seen[1], s.velocity / 2, 1e-7);
  EXPECT_NEAR(seen[2], s.angle / 0.2, 1e-7);
  EXPECT_NEAR(seen[3], s.angular_velocity / 2, 1e-7);
}

}  // namespace
}  // namespace palinode::experiments
