// CartPole by REINFORCE (Williams 1992), the same for every player: one forward pass of a batch of
// one for each step, one update for each episode.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/environments/cartpole.h"
#include "tensor/rng.h"

namespace palinode::bench {

inline constexpr double kDiscount = 0.99;

// The sum of discounted rewards from each step to the end, less their mean, over their deviation.
inline std::vector<float> advantages(std::size_t steps) {
  std::vector<double> returns(steps);
  double after = 0, mean = 0, square = 0;
  for (std::size_t i = steps; i-- > 0;) {
    after = 1 + kDiscount * after;
    returns[i] = after;
    mean += after / static_cast<double>(steps);
  }
  for (const double r : returns) square += (r - mean) * (r - mean) / static_cast<double>(steps);
  std::vector<float> result;
  for (const double r : returns) {
    result.push_back(static_cast<float>((r - mean) / (std::sqrt(square) + 1e-8)));
  }
  return result;
}

// Plays and learns for a number of environment steps; returns the loss of each update.
//   player.logits(state) -> array of two;  player.update(states, actions, weights) -> loss
template <class Player>
std::vector<double> reinforce(Player& player, std::size_t steps) {
  using experiments::CartPole;
  const Rng rng = Rng(1).stream("cartpole");
  const Rng choices = rng.stream("choices");
  std::vector<double> losses;
  std::vector<float> states;
  std::vector<std::int32_t> actions;
  CartPole pole(rng.stream(0));
  for (std::size_t step = 0; step < steps; ++step) {
    const CartPole::State& s = pole.state();
    const std::array<float, 4> state = {static_cast<float>(s.position),
                                        static_cast<float>(s.velocity), static_cast<float>(s.angle),
                                        static_cast<float>(s.angular_velocity)};
    const std::array<float, 2> logits = player.logits(state);
    const double right = 1 / (1 + std::exp(static_cast<double>(logits[0] - logits[1])));
    const bool push = choices.uniform(step) < right;
    states.insert(states.end(), state.begin(), state.end());
    actions.push_back(push ? 1 : 0);
    pole.step(push ? CartPole::Push::kRight : CartPole::Push::kLeft);
    if (!pole.over()) continue;
    losses.push_back(player.update(states, actions, advantages(pole.steps())));
    states.clear();
    actions.clear();
    pole = CartPole(rng.stream(losses.size()));
  }
  return losses;
}

}  // namespace palinode::bench
