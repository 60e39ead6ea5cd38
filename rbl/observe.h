// Observing a function on fixed inputs, with proof that looking changed nothing.
#pragma once

#include <optional>

#include "nn/run.h"
#include "rbl/metrics.h"
#include "rbl/unchanged.h"
#include "tensor/digest.h"

namespace palinode::rbl {

struct Observation {
  Tensor logits;             // [probes, classes]
  Tensor log_p;              // f64 [probes, classes]
  Sha256Digest fingerprint;  // of theta's parameters, before and after the observation
  Xxh3Digest logits_digest;
  std::optional<Sha256Digest> buffers_fingerprint = {};  // of its buffers, likewise
};

// Runs the function in eval mode on the probes [n, in]. Throws IdentityError naming the tensor if a
// byte of theta is another afterwards.
Observation observe(const nn::Model& function, const Theta& theta, const Tensor& probes);

}  // namespace palinode::rbl
