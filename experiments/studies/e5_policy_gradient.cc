// E5: policy gradient, on theta and on phi, at matched reward.
//
//   digits-mlp    the shifted task of E4 as a contextual bandit, to the same score as E4's Adam
//   digits-bandit, cartpole-..., grid-goal
//                 a policy learns a second task (policy/tasks.h), by REINFORCE and by PPO
//   austen-gpt    the language identity is paid for vowels: learning from feedback in miniature
//
// The reward does not say what to do, so the identity must explore; an entropy bonus keeps it from
// being too sure of its old answers.
//
// Paper: the title's claim about reinforcement learning, for which it reports no measurement. No
// direction is assumed.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "experiments/studies/policy_trial.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp", "digits-bandit", "cartpole-crossed", "grid-goal", "austen-gpt"},
    {"digits-mlp", "digits-bandit", "cartpole-crossed", "cartpole-stand", "grid-goal",
     "austen-gpt"},
    {{"back_updates", "budget of R6: updates on the identity's own environment", 20.0, 20.0}});

Outcome run(const Cell& cell) {
  if (cell.model() == "austen-gpt") return text_trial(cell);
  if (!is_policy_task(cell.model())) {
    return {adaptation_trials(cell.identity(), "E5", Mechanism::kPolicyGradient), {}, {}};
  }
  Outcome outcome;
  for (const policy::Trainer trainer : {policy::Trainer::kReinforce, policy::Trainer::kPpo}) {
    Outcome more = policy_trial(cell, trainer, cell.settings().count("back_updates"));
    outcome.add(std::move(more.rows));
    for (Point& point : more.points) outcome.points.push_back(std::move(point));
  }
  return outcome;
}

// ln of KL after policy gradient over KL after E4's Adam, of the seeds both have.
Judgement judge_drift(const Evidence& evidence) {
  const char* statement =
      "policy gradient on theta drifts less from the identity than Adam on labels to the same "
      "score";
  Tally drifts(statement, "models");
  for (const Group* policy : groups_like(evidence.groups, "E5", "theta", "policy-gradient", "R0")) {
    const std::string& model = policy->first().model;
    for (const Group* adam : groups_like(evidence.groups, "E4", "theta", "adam", "R0")) {
      if (adam->first().model != model) continue;
      std::vector<double> ratios;
      for (const Row* row : policy->rows) {
        for (const Row* other : adam->rows) {
          if (other->seed == row->seed) ratios.push_back(row->kl_adapt / other->kl_adapt);
        }
      }
      if (ratios.empty()) continue;
      kernels::log(std::span<const double>(ratios), std::span<double>(ratios));
      const Summary drift = summarize(ratios, "drift");
      const std::size_t missed = policy->score_missed + adam->score_missed;
      drifts.add(missed > 0 ? Case::kUndecided : below(drift, 0), model,
                 fmt::format("mean ln ratio {}{}", interval_of(drift),
                             missed > 0 ? fmt::format(", {} runs missed the score", missed) : ""));
    }
  }
  const Judgement judged = drifts.judgement();
  return judged.of > 0 ? judged : open_for(statement, "needs E4's Adam on a model of E5's");
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally unloads("on phi every bit is that of before after the unload", "runs");
  add_exact(unloads, groups_like(evidence.groups, "E5", "phi", "", "R17"));
  return {unloads.judgement(), judge_drift(evidence)};
}

}  // namespace

extern const Study kPolicyGradient = {
    "E5",
    "policy-gradient",
    "the claim that RL entangles identity and behavior",
    "does policy gradient on theta entangle, and on phi not",
    "phi: equal bits on every seed; theta: drift against E4's Adam at the same score, direction "
    "open: less if the 95 % interval of the mean ln ratio of KL, paired by seed, lies below 0, "
    "more if above, open if a run missed the score",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
