// What the trainers of this folder share: their goal, the curve they return, and the step by which
// they write.
//
// A trainer changes any store that a policy computes with: the theta of a copy, or the phi of a
// behavior attached to a frozen policy. Every step passes ledger.commit with the reason
// policy-gradient. All that is random comes from the trainer's stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/policy/rollout.h"
#include "rbl/course.h"
#include "tensor/ledger.h"

namespace palinode::experiments::policy {

// Training stops when the mean return of the evaluation episodes reaches the target, or its budget
// ends. The episodes are the same at every evaluation, from the stream "evaluation", and none is
// trained on.
struct Goal {
  double target = 0;
  std::size_t episodes = 32;
  std::size_t every = 5;      // updates from one evaluation to the next
  std::size_t updates = 300;  // the budget
  // In place of the target: asked of the policy at the start and after every update.
  std::function<bool(const nn::Model& policy)> done = {};
};

// How the steps are written.
struct Writing {
  double scale = 1;  // of every gradient: -1 climbs the loss
  std::function<void(const Store& target)> after_step = {};  // after each commit
};

// States of the environments on which the divergence from the start is measured.
inline constexpr std::size_t kStates = 256;

// kTargetReached: or what is in its place.
enum class Stop : std::uint8_t { kTargetReached, kBudgetEnded };
std::string_view stop_name(Stop stop);  // "target-reached", "budget-ended"

// After an update; the first point, of update 0, is the start, by its evaluation.
struct CurvePoint {
  std::uint64_t update = 0;
  std::uint64_t samples = 0;  // actions taken in training so far
  double mean_return = 0;     // of the episodes over in this update's batch
  std::optional<double> evaluation = {};
  double entropy = 0;  // of the policy that played the batch; nats, mean over rows
  // KL(start || now) in nats, mean over states the start policy met in its evaluation episodes.
  double kl_start = 0;
};

struct Learned {
  std::vector<CurvePoint> curve = {};
  Stop stop = Stop::kBudgetEnded;
  std::uint64_t updates = 0, samples = 0;
  double start = 0, evaluation = 0;  // mean return in evaluation before and after
};

// What writes to the target.
class Learner {
 public:
  // Opens the store "<state>.policy" for the optimizer's state. Gradients are clipped to `max_norm`
  // if there is one.
  Learner(Ledger& ledger, const Store& target, const rbl::MakeOptimizer& optimizer,
          std::optional<double> max_norm, const Writing& writing, const std::string& state,
          const Rng& stream);
  // One step down the loss.
  void step(Var loss);

 private:
  Ledger* ledger_;
  const Store* target_;
  std::optional<double> max_norm_;
  Writing writing_;
  std::uint64_t seed_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

// What an update tells the curve.
struct Batch {
  double mean_return = 0, entropy = 0;
  std::uint64_t samples = 0;
};

// The loop of every trainer: update(u) for u = 0, 1, ..., with an evaluation before the first and
// after every goal.every. `states` says how many rows of the first evaluation's inputs the
// divergence is measured on, spread evenly.
Learned learn(const nn::Model& policy, const Goal& goal, std::size_t states,
              const std::function<Evaluation()>& evaluation,
              const std::function<Batch(std::uint64_t)>& update);

}  // namespace palinode::experiments::policy
