#include "rbl/diagnostics/recovery.h"

#include <cmath>

#include "rbl/diagnostics/invariants.h"
#include "tensor/error.h"

namespace palinode::rbl {

Departure departure(const Observation& first, const Observation& seen, const Store& identity,
                    const Store& now) {
  const Divergence kl = kl_divergence(first.log_p, seen.log_p);
  const Divergence js = js_divergence(first.log_p, seen.log_p);
  const bool equal = same_bits(first.logits, seen.logits);
  check_divergences(kl, js, equal);
  return {kl.mean, js.mean, equal, distance(identity, now)};
}

Recoverability geometric_recoverability(const Distance& adapted, const Distance& recovered) {
  if (!std::isfinite(adapted.l2) || !std::isfinite(recovered.l2)) {
    throw NonFiniteError("recovery: the distance of two stores is not finite");
  }
  if (adapted.largest == 0) return {};
  if (adapted.l2 < kDistanceFloor) return {Recoverability::State::kBelowFloor, 0};
  return {Recoverability::State::kValue, 1.0 - recovered.l2 / adapted.l2};
}

Recovery recovery(const Departure& adapted, const Departure& recovered) {
  const Distance& left = recovered.weights;
  Recovery result;
  result.words = left.words;
  result.words_equal = left.words - left.words_changed;
  result.words_share =
      left.words == 0 ? 1
                      : static_cast<double>(result.words_equal) / static_cast<double>(left.words);
  result.outputs_equal = recovered.outputs_equal;
  result.exact = recovered.outputs_equal && left.words_changed == 0;
  result.kl = recoverability(adapted.kl, recovered.kl);
  result.js = recoverability(adapted.js, recovered.js);
  result.geometry = geometric_recoverability(adapted.weights, left);
  return result;
}

}  // namespace palinode::rbl
