#include "rbl/observe.h"

#include "tensor/error.h"

namespace palinode::rbl {

Observation observe(const nn::Model& function, const Store& theta, const Tensor& probes) {
  Observation seen;
  seen.fingerprint = fingerprint(theta);
  seen.logits = nn::evaluate(function, probes).compact();
  seen.log_p = log_probabilities(seen.logits);
  seen.logits_digest = xxh3(seen.logits);
  PALINODE_ASSERT(fingerprint(theta) == seen.fingerprint);
  return seen;
}

}  // namespace palinode::rbl
