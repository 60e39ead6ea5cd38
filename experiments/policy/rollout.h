// Rollouts: what a policy does in an environment, as rows to learn from.
//
// Environments are stepped together, so the policy's pass is one matrix product over those that
// still play; a row's bits do not depend on who else does. A policy is a function of observations
// f32 [rows, width] -> logits f32 [rows, actions], and acts by softmax(logits).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "experiments/environments/environment.h"
#include "nn/run.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace palinode::experiments::policy {

// Rows [begin, end) are consecutive steps of one episode. After them it has ended, or its next
// observation is in the rollout's `next`.
struct Trajectory {
  std::size_t begin = 0, end = 0;
  bool ended = false;
};

struct Rollout {
  Tensor observations;                   // f32 [rows, width]
  Tensor actions;                        // i32 [rows]
  Tensor log_p;                          // f32 [rows], of the action taken, when it was taken
  std::vector<double> rewards;           // [rows]
  std::vector<Trajectory> trajectories;  // they cover the rows
  Tensor next;                           // f32 [trajectories, width], after each one's last row
  std::vector<double> returns;           // of the episodes that were over in this rollout
  double entropy = 0;                    // of the policy, nats, mean over rows

  std::size_t rows() const { return rewards.size(); }
  double mean_return() const;  // 0 if no episode was over
};

// The first action at which the cumulated probability exceeds u in [0, 1); the last one if none
// does.
std::size_t draw(std::span<const double> p, double u);
// Of one distribution, in nats, given its logarithms too.
double entropy_of(std::span<const double> p, std::span<const double> log_p);

// A number of seats at each of which one episode after the other is played. Episode k of seat i
// has the stream "<stream>/<i>/<k>": it is reset with "start" of that, and action t is drawn with
// number t of "actions".
class Players {
 public:
  Players(const Environment& task, std::size_t seats, const Rng& stream);

  // A whole episode at each seat. Throws Error if one is under way.
  Rollout play_episodes(const nn::Model& policy);
  // So many steps at each seat; an episode that is over is followed by the next, and one that is
  // not goes on when this is called again.
  Rollout play_steps(const nn::Model& policy, std::size_t steps);

 private:
  struct Seat {
    Environment environment;
    Rng episodes, actions;
    std::uint64_t next = 0;  // number of the next episode
  };
  struct Record;

  static void begin(Seat& seat);
  void step(const nn::Model& policy, std::span<const std::size_t> playing,
            std::span<Record> records);
  Rollout gather(std::span<Record> records) const;

  std::size_t width_;
  std::vector<Seat> seats_;
};

// The mean return of whole episodes 0 to `episodes` - 1 of the stream, and what was seen in them.
struct Evaluation {
  double mean_return = 0;
  double entropy = 0;  // of the policy, nats, mean over actions taken
  Tensor inputs;       // of the policy
};
Evaluation evaluate(const nn::Model& policy, const Environment& task, std::size_t episodes,
                    const Rng& stream);

}  // namespace palinode::experiments::policy
