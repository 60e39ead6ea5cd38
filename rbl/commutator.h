// The commutator of two behaviors: how much it matters which of them was attached first. Unloading
// both ends in the identity in either order; what they compute together may depend on it.
#pragma once

#include <cstddef>

#include "rbl/compose.h"
#include "rbl/metrics.h"
#include "tensor/tensor.h"

namespace palinode::rbl {

struct Commutator {
  Divergence kl, js;         // of b over a, against a over b; nats, over the probes
  double largest_logit = 0;  // the largest difference of an output
  bool commute = false;      // every output has the same bits in both orders
  double together_kl = 0;    // of the plain model against b over a, for scale
};

// Throws NameError for a missing behavior.
Commutator commutator(const nn::Model& model, const SeamPointer& a, const SeamPointer& b,
                      const Tensor& probes);

}  // namespace palinode::rbl
