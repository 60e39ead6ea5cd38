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

  enum class Push { kLeft, kRight };

  // Values 0 to 3 of the stream, uniform in (-0.05, 0.05), are the first state: one stream an
  // episode.
  explicit CartPole(const Rng& rng);
  explicit CartPole(const State& state) : state_(state) {}

  void step(Push push);

  const State& state() const { return state_; }
  std::size_t steps() const { return steps_; }  // taken, and earned
  bool fallen() const;                          // off the track or off the vertical
  bool over() const { return fallen() || steps_ >= kMaxSteps; }

 private:
  State state_;
  std::size_t steps_ = 0;
};

}  // namespace palinode::experiments
