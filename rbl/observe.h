// Observing a function on fixed inputs, with proof that looking changed nothing.
#pragma once

#include "nn/run.h"
#include "rbl/metrics.h"
#include "tensor/digest.h"
#include "tensor/store.h"

namespace palinode::rbl {

struct Observation {
  Tensor logits;             // [probes, classes]
  Tensor log_p;              // f64 [probes, classes]
  Sha256Digest fingerprint;  // of theta, before and after the observation
  Xxh3Digest logits_digest;
};

// Runs the function on the probes [n, in]. The store's fingerprint is taken before and after; a
// difference is a broken invariant and stops the program.
Observation observe(const nn::Model& function, const Store& theta, const Tensor& probes);

}  // namespace palinode::rbl
