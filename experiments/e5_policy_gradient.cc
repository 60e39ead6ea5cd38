// E5: policy gradient, on theta and on phi. The shifted task as a contextual bandit: the policy
// sees an image, names a label, and learns only whether that was right. REINFORCE
// with a baseline and an entropy bonus: the identity is too sure of its old answers to explore
// without one.
//
// Paper: the title's claim about reinforcement learning, for which it reports no measurement. No
// direction is assumed.
#include "experiments/study.h"
#include "experiments/trial.h"

namespace palinode::experiments {
namespace {

Outcome run(const Identity& identity) {
  return {adaptation_trials(identity, "E5", Mechanism::kPolicyGradient), {}};
}

}  // namespace

extern const Study kPolicyGradient = {
    "E5", "policy-gradient", "the claim that RL entangles identity and behavior",
    "phi: equal bits on every seed; theta: drift against E4's at the same score, direction open",
    run};

}  // namespace palinode::experiments
