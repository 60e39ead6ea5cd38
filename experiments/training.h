// Training loops shared by the studies, with every number they depend on.
#pragma once

#include <cstdint>
#include <string_view>

#include "experiments/digits.h"
#include "experiments/study.h"
#include "nn/mlp.h"
#include "tensor/ledger.h"

namespace palinode::experiments {

struct TrainConfig {
  double lr = 1e-3;
  std::size_t batch = 32;
  std::size_t steps = 600;
};

// How an adaptation changes weights.
enum class Mechanism : std::uint8_t { kSgd, kMomentum, kAdam, kPolicyGradient };

std::string_view mechanism_name(Mechanism mechanism);  // "sgd", ..., "policy-gradient"

// Every adaptation runs until it is good enough at its task, so that arms are matched on score, not
// on steps.
inline constexpr double kTargetScore = 0.95;    // accuracy on its training set
inline constexpr std::size_t kCheckEvery = 20;  // steps
inline constexpr std::size_t kMostSteps = 4000;

nn::MlpConfig mlp_config();  // 64-64-10, tanh

// Adam on cross-entropy for a fixed number of steps; the optimizer's state goes to a fresh store
// `state`.
void train_identity(Ledger& ledger, const Store& theta, const Digits& digits, const Rng& stream,
                    const TrainConfig& config, std::string_view state);

// Adapts `function` to the shifted task by changing `target` (theta, or the phi of a behavior)
// until kTargetScore. Returns the steps taken. Policy gradient sees rewards only: 1 for naming the
// right label, else 0 (a contextual bandit): REINFORCE (Williams 1992) with the mean reward of the
// batch's other samples as baseline and 0.2 times the policy's mean entropy as a bonus, then Adam.
std::uint64_t adapt(Ledger& ledger, const Store& target, const nn::Model& function,
                    const Labelled& task, const Rng& stream, Mechanism mechanism);

}  // namespace palinode::experiments
