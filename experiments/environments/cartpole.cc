#include "experiments/environments/cartpole.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

constexpr double kGravity = 9.8;
constexpr double kCartMass = 1.0;
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

CartPole::CartPole(const Rng& rng, const Physics& physics) : physics_(physics) {
  const auto draw = [&](std::uint64_t i) { return -0.05 + 0.1 * rng.uniform(i); };
  state_ = {draw(0), draw(1), draw(2), draw(3)};
}

// The equations of motion as in Florian, "Correct equations for the dynamics of the cart-pole
// system" (2007), (23) and (24) without friction.
void CartPole::step(Push push) {
  const auto& [strength, pole_mass, half_length] = physics_;
  const double mass = pole_mass + kCartMass, mass_length = pole_mass * half_length;
  const double force = push == Push::kRight ? strength : -strength;
  const auto [sine, cosine] = turn_of(state_.angle);
  const double omega = state_.angular_velocity;
  const double pull = (force + mass_length * (omega * omega) * sine) / mass;
  const double angular = (kGravity * sine - cosine * pull) /
                         (half_length * (4.0 / 3.0 - pole_mass * (cosine * cosine) / mass));
  const double linear = pull - mass_length * angular * cosine / mass;
  state_ = {.position = state_.position + kTau * state_.velocity,
            .velocity = state_.velocity + kTau * linear,
            .angle = state_.angle + kTau * omega,
            .angular_velocity = omega + kTau * angular};
  ++steps_;
}

bool CartPole::fallen() const {
  return std::abs(state_.position) > kPositionLimit || std::abs(state_.angle) > kAngleLimit;
}

void BalanceTask::observe(std::span<float> out) const {
  const CartPole::State& s = pole_.state();
  out[0] = static_cast<float>(s.position / kPositionLimit);
  out[1] = static_cast<float>(s.velocity / 2.0);
  out[2] = static_cast<float>(s.angle / 0.2);
  out[3] = static_cast<float>(s.angular_velocity / 2.0);
}

double BalanceTask::step(std::size_t action) {
  pole_.step(action == 1 ? CartPole::Push::kRight : CartPole::Push::kLeft);
  if (!config_.stand) return 1;
  return std::max(0.0, 1.0 - std::abs(pole_.state().position - *config_.stand));
}

Progress BalanceTask::progress() const {
  if (pole_.fallen()) return Progress::kEnded;
  return pole_.over() ? Progress::kCut : Progress::kRunning;
}

}  // namespace palinode::experiments
