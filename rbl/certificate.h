// The rollback certificate: what an identity was before a behavior was attached, with it, and after
// it was unloaded.
#pragma once

#include <optional>
#include <string>

#include "rbl/observe.h"

namespace palinode::rbl {

struct Certificate {
  Sha256Digest fingerprint_before, fingerprint_during, fingerprint_after;
  // Of the buffers of an identity that has them.
  std::optional<Sha256Digest> buffers_before, buffers_during, buffers_after;
  Xxh3Digest logits_before, logits_during, logits_after;
  double kl_during = 0, js_during = 0;  // nats, of `before` against `during`
  double kl_after = 0, js_after = 0;    // and against `after`
  std::size_t probes = 0;

  // Theta's bits, its buffers' too, and every output bit are those of before, and theta's were so
  // all along.
  bool exact() const;
};

// Throws ShapeError unless the three observations are of the same probes.
Certificate certify(const Observation& before, const Observation& during, const Observation& after);

// A few lines of text, for people.
std::string to_text(const Certificate& certificate);

}  // namespace palinode::rbl
