#include "experiments/environments/cartpole.h"

#include <cmath>
#include <span>

#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

constexpr double kGravity = 9.8;
constexpr double kMassPole = 0.1;
constexpr double kMass = kMassPole + 1.0;  // with the cart's
constexpr double kHalfLength = 0.5;
constexpr double kMassLength = kMassPole * kHalfLength;
constexpr double kForce = 10.0;
constexpr double kTau = 0.02;
constexpr double kPositionLimit = 2.4;
constexpr double kAngleLimit = 12.0 * 2.0 * 3.141592653589793 / 360.0;

struct Turn {
  double sine, cosine;
};

Turn turn_of(double angle) {
  Turn turn{};
  kernels::sin(std::span<const double>(&angle, 1), std::span<double>(&turn.sine, 1));
  kernels::cos(std::span<const double>(&angle, 1), std::span<double>(&turn.cosine, 1));
  return turn;
}

}  // namespace

CartPole::CartPole(const Rng& rng) {
  const auto draw = [&](std::uint64_t i) { return -0.05 + 0.1 * rng.uniform(i); };
  state_ = {draw(0), draw(1), draw(2), draw(3)};
}

// The equations of motion as in Florian, "Correct equations for the dynamics of the cart-pole
// system" (2007), (23) and (24) without friction.
void CartPole::step(Push push) {
  const double force = push == Push::kRight ? kForce : -kForce;
  const auto [sine, cosine] = turn_of(state_.angle);
  const double omega = state_.angular_velocity;
  const double pull = (force + kMassLength * (omega * omega) * sine) / kMass;
  const double angular = (kGravity * sine - cosine * pull) /
                         (kHalfLength * (4.0 / 3.0 - kMassPole * (cosine * cosine) / kMass));
  const double linear = pull - kMassLength * angular * cosine / kMass;
  state_ = {.position = state_.position + kTau * state_.velocity,
            .velocity = state_.velocity + kTau * linear,
            .angle = state_.angle + kTau * omega,
            .angular_velocity = omega + kTau * angular};
  ++steps_;
}

bool CartPole::fallen() const {
  return std::abs(state_.position) > kPositionLimit || std::abs(state_.angle) > kAngleLimit;
}

}  // namespace palinode::experiments
