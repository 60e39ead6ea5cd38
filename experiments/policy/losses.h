// Surrogate losses: their gradient at the policy that acted is that of its expected return,
// negated. (REINFORCE's is nn::policy_gradient.)
#pragma once

#include "autograd/tape.h"
#include "tensor/tensor.h"

namespace palinode::experiments::policy {

// log softmax(logits)[i, actions[i]].  logits [rows, actions], actions i32 [rows] -> [rows]
Var action_log_p(Var logits, const Tensor& actions);

// The clipped surrogate of PPO (Schulman et al., arXiv:1707.06347, equation 7), negated:
//   -mean over rows of min(r A, clip(r, 1 - clip, 1 + clip) A),   r = exp(log_p - old_log_p)
// A row takes no gradient once its ratio has left the interval on the side that A favors.
//   log_p, old_log_p, advantages [rows]
Var clipped_surrogate(Var log_p, const Tensor& old_log_p, const Tensor& advantages, double clip);

}  // namespace palinode::experiments::policy
