// Advantages: how much better an action was than what was to be expected. Plain sums in f64, in the
// order written.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "experiments/policy/rollout.h"

namespace palinode::experiments::policy {

// For each row t of a trajectory, r[t] + gamma r[t+1] + ... to its last row.
std::vector<double> rewards_to_go(const Rollout& rollout, double gamma);

// Those less the mean of the other trajectories' at the same step, 0 for one that is over by then:
// a baseline that does not depend on the action, so the gradient's expectation is unchanged
// (Williams 1992). Every trajectory begins its episode. Throws Error for fewer than two.
std::vector<double> against_others(const Rollout& rollout, std::span<const double> to_go);

// Generalized advantage estimation (Schulman et al., arXiv:1506.02438, equation 16), by
//   delta[t] = r[t] + gamma v[t+1] - v[t];   A[t] = delta[t] + gamma lambda A[t+1]
// v[t+1] after a trajectory's last row is 0 if the episode has ended, else that of `next`.
//   values [rows], next [trajectories]
std::vector<double> generalized_advantages(const Rollout& rollout, std::span<const double> values,
                                           std::span<const double> next, double gamma,
                                           double lambda);

// Less their mean, over their deviation plus 1e-8, in f32 [n].
Tensor standardized(std::span<const double> advantages);

// As they are, rounded once, in f32 [n].
Tensor rounded(std::span<const double> values);

}  // namespace palinode::experiments::policy
