#include "rbl/observe.h"

namespace palinode::rbl {

Observation observe(const nn::Model& function, const Theta& theta, const Tensor& probes) {
  const Unchanged before(theta);
  Observation seen;
  seen.fingerprint = before.parameters().fingerprint();
  seen.buffers_fingerprint = before.buffers_fingerprint();
  seen.logits = nn::evaluate(function, probes).compact();
  seen.log_p = log_probabilities(seen.logits);
  seen.logits_digest = xxh3(seen.logits);
  before.check("observe");
  return seen;
}

}  // namespace palinode::rbl
