#include "experiments/policy/learning.h"

#include <fmt/format.h>

#include <algorithm>

#include "optim/clip.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode::experiments::policy {
namespace {

// `count` of the rows, the same distance apart; all if there are no more.
Tensor spread(const Tensor& rows, std::size_t count) {
  const std::size_t n = rows.shape()[0], taken = std::min(n, count);
  std::vector<std::int32_t> places;
  for (std::size_t i = 0; i < taken; ++i) {
    places.push_back(static_cast<std::int32_t>(i * n / taken));
  }
  return take(rows, Tensor::from<std::int32_t>(places, {taken}));
}

}  // namespace

std::string_view stop_name(Stop stop) {
  return stop == Stop::kTargetReached ? "target-reached" : "budget-ended";
}

Learner::Learner(Ledger& ledger, const Store& target, const rbl::MakeOptimizer& optimizer,
                 std::optional<double> max_norm, const Writing& writing, const std::string& state,
                 const Rng& stream)
    : ledger_(&ledger),
      target_(&target),
      max_norm_(max_norm),
      writing_(writing),
      seed_(stream.seed()) {
  optimizer_ = optimizer(ledger.open(state + ".policy", Role::kOptimizer), target);
}

void Learner::step(Var loss) {
  const Gradients gradients = backward(loss);
  optim::StepOptions options;
  if (max_norm_) {
    options.scale = optim::clip_factor(optim::global_norm(gradients, *target_), *max_norm_);
  }
  options.scale = options.scale * writing_.scale;
  Proposal proposal = optimizer_->propose(gradients, options);
  proposal.reason = Reason::kPolicyGradient;
  proposal.seed = seed_;
  ledger_->commit(proposal);
  if (writing_.after_step) writing_.after_step(*target_);
}

Learned learn(const nn::Model& policy, const Goal& goal, std::size_t states,
              const std::function<Evaluation()>& evaluation,
              const std::function<Batch(std::uint64_t)>& update) {
  if (goal.every == 0) throw Error("learn: evaluations are at least one update apart, got 0");
  const Evaluation first = evaluation();
  const Tensor seen = spread(first.inputs, states);
  const Tensor start = rbl::log_probabilities(nn::evaluate(policy, seen));
  Learned learned{.start = first.mean_return, .evaluation = first.mean_return};
  learned.curve.push_back({.mean_return = first.mean_return,
                           .evaluation = first.mean_return,
                           .entropy = first.entropy});
  bool reached = goal.done ? goal.done(policy) : learned.evaluation >= goal.target;
  while (!reached && learned.updates < goal.updates) {
    const Batch batch = update(learned.updates);
    ++learned.updates;
    learned.samples += batch.samples;
    const Tensor now = rbl::log_probabilities(nn::evaluate(policy, seen));
    learned.curve.push_back({.update = learned.updates,
                             .samples = learned.samples,
                             .mean_return = batch.mean_return,
                             .entropy = batch.entropy,
                             .kl_start = rbl::kl_divergence(start, now).mean});
    if (goal.done) reached = goal.done(policy);
    const bool last = reached || learned.updates == goal.updates;
    if (learned.updates % goal.every != 0 && !last) continue;
    learned.evaluation = evaluation().mean_return;
    learned.curve.back().evaluation = learned.evaluation;
    if (!goal.done) reached = learned.evaluation >= goal.target;
  }
  if (reached) learned.stop = Stop::kTargetReached;
  return learned;
}

}  // namespace palinode::experiments::policy
