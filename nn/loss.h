// Losses made of several operations. (Cross-entropy is one: autograd/ops.h.)
#pragma once

#include "autograd/ops.h"

namespace palinode::nn {

// Mean over rows of the entropy of softmax(logits), in nats; logits [rows, classes].
Var entropy(Var logits);

// Mean over rows of KL(softmax(p) || softmax(q)) in nats; logits [rows, classes]. Distillation
// takes the teacher's logits as p, a constant.
Var kl_divergence(Var p, Var q);

// REINFORCE (Williams 1992): the mean over rows of -advantages[i] log softmax(logits)[i,
// actions[i]], less entropy_bonus times the entropy. logits [rows, actions], actions i32 [rows],
// advantages [rows]. Its gradient is that of the negated expected reward.
Var policy_gradient(Var logits, const Tensor& actions, const Tensor& advantages,
                    double entropy_bonus = 0);

}  // namespace palinode::nn
