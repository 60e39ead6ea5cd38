// E5: policy gradient, on theta and on phi. The shifted task as a contextual bandit: the policy
// sees an image, names a label, and learns only whether that was right. REINFORCE
// with a baseline and an entropy bonus: the identity is too sure of its old answers to explore
// without one.
//
// Paper: the title's claim about reinforcement learning, for which it reports no measurement. No
// direction is assumed.
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects({"digits-mlp"}, {"digits-mlp"});

Outcome run(const Cell& cell) {
  return {adaptation_trials(cell.identity(), "E5", Mechanism::kPolicyGradient), {}, {}};
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
