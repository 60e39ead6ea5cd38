// CartPole: a pole hinged to a cart on a track, to be kept upright by pushing the cart left or
// right.
//
// The task of Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult
// learning control problems", IEEE Trans. SMC 13 (1983), without friction, with the constants and
// the integration (explicit Euler) of OpenAI Gym's CartPole-v1: gravity 9.8 m/s^2, cart 1.0 kg,
// pole 0.1 kg with half its length 0.5 m, force 10 N, 0.02 s a step. An episode ends when the cart
// is more than 2.4 m off the middle or the pole more than 12 degrees off the vertical, and after
// 500 steps. Every step earns 1, the last one too.
//
// All of it in f64, in the order of docs/arithmetic.md, section 11; sine and cosine are the
// kernels', so an episode has the same bits everywhere.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "experiments/environments/environment.h"
#include "tensor/rng.h"

namespace palinode::experiments {

class CartPole {
 public:
  static constexpr std::size_t kMaxSteps = 500;

  struct State {
    double position = 0;          // of the cart, m
    double velocity = 0;          // m/s
    double angle = 0;             // of the pole from the vertical, rad
    double angular_velocity = 0;  // rad/s
  };

  struct Physics {
    double force = 10;         // N, of a push to the right
    double pole_mass = 0.1;    // kg
    double half_length = 0.5;  // of the pole, m
  };

  enum class Push { kLeft, kRight };

  // Values 0 to 3 of the stream, uniform in (-0.05, 0.05), are the first state: one stream an
  // episode.
  explicit CartPole(const Rng& rng) : CartPole(rng, Physics{}) {}
  CartPole(const Rng& rng, const Physics& physics);
  explicit CartPole(const State& state) : CartPole(state, Physics{}) {}
  CartPole(const State& state, const Physics& physics) : physics_(physics), state_(state) {}

  void step(Push push);

  const State& state() const { return state_; }
  std::size_t steps() const { return steps_; }  // taken, and earned
  bool fallen() const;                          // off the track or off the vertical
  bool over() const { return fallen() || steps_ >= kMaxSteps; }

 private:
  Physics physics_;
  State state_;
  std::size_t steps_ = 0;
};

// CartPole as a task: action 0 pushes to the left and 1 to the right. An observation is position /
// 2.4, velocity / 2, angle / 0.2 and angular velocity / 2, in f32.
class BalanceTask {
 public:
  struct Config {
    // With a negative force the two pushes are exchanged.
    CartPole::Physics physics = {};
    // Where the cart should stand, m. A step then earns max(0, 1 - |position - stand|), of the
    // position after it, in place of 1.
    std::optional<double> stand = {};
  };

  BalanceTask() : BalanceTask(Config{}) {}
  explicit BalanceTask(const Config& config)
      : config_(config), pole_(CartPole::State{}, config.physics) {}

  std::size_t width() const { return 4; }
  std::size_t actions() const { return 2; }
  void reset(const Rng& stream) { pole_ = CartPole(stream, config_.physics); }
  void observe(std::span<float> out) const;
  double step(std::size_t action);
  Progress progress() const;
  const CartPole& pole() const { return pole_; }

 private:
  Config config_;
  CartPole pole_;
};

}  // namespace palinode::experiments
