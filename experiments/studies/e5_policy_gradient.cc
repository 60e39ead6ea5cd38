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
#include "experiments/studies/policy_trial.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

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

}  // namespace

extern const Study kPolicyGradient = {
    "E5",
    "policy-gradient",
    "the claim that RL entangles identity and behavior",
    "does policy gradient on theta entangle, and on phi not",
    "phi: equal bits on every seed; theta: drift against E4's at the same score, direction open",
    kKnobs,
    run};

}  // namespace palinode::experiments
