// Losses that are made of other operations.
#pragma once

#include "autograd/tape.h"

namespace palinode {

// The mean of (x - target)^2 over all elements; the shapes broadcast.
Var mse(Var x, Var target);

// KL(p || q) of distributions given by their logarithms [..., n]: the mean over rows of the sum
// along the last axis of p (log p - log q), p being exp(log p).
Var kl_div(Var log_p, Var log_q);

}  // namespace palinode
