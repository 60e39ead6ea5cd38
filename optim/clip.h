// Clipping by the global norm, as PyTorch's clip_grad_norm_ (Pascanu et al., arXiv:1211.5063).
//
//   const double norm = optim::global_norm(gradients, theta);   // also a metric
//   ledger.commit(adam.propose(gradients, {.scale = optim::clip_factor(norm, 1.0)}));
#pragma once

#include "autograd/tape.h"

namespace palinode::optim {

// The L2 norm of all gradients of `target` together, in f64. The squares of each parameter are
// summed by docs/arithmetic.md, section 3, and the sums added in the order of the store's entries
// (section 7). Throws NonFiniteError for a gradient that is not finite, naming parameter and first
// such element, and if the norm is beyond f64.
double global_norm(const Gradients& gradients, const Store& target);

// What to multiply the gradients by: max_norm / (norm + 1e-6), at most 1.
double clip_factor(double norm, double max_norm);

}  // namespace palinode::optim
