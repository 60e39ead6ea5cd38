#include "rbl/certificate.h"

#include <fmt/format.h>

namespace palinode::rbl {

bool Certificate::exact() const {
  return fingerprint_before == fingerprint_during && fingerprint_before == fingerprint_after &&
         buffers_before == buffers_during && buffers_before == buffers_after &&
         logits_before == logits_after && kl_after == 0 && js_after == 0;
}

Certificate certify(const Observation& before, const Observation& during,
                    const Observation& after) {
  Certificate certificate;
  certificate.fingerprint_before = before.fingerprint;
  certificate.fingerprint_during = during.fingerprint;
  certificate.fingerprint_after = after.fingerprint;
  certificate.buffers_before = before.buffers_fingerprint;
  certificate.buffers_during = during.buffers_fingerprint;
  certificate.buffers_after = after.buffers_fingerprint;
  certificate.logits_before = before.logits_digest;
  certificate.logits_during = during.logits_digest;
  certificate.logits_after = after.logits_digest;
  certificate.kl_during = kl_divergence(before.log_p, during.log_p).mean;
  certificate.js_during = js_divergence(before.log_p, during.log_p).mean;
  certificate.kl_after = kl_divergence(before.log_p, after.log_p).mean;
  certificate.js_after = js_divergence(before.log_p, after.log_p).mean;
  certificate.probes = before.logits.shape()[0];
  return certificate;
}

namespace {

// Nothing for an identity without buffers.
std::string buffers_text(const Certificate& c) {
  if (!c.buffers_before || !c.buffers_during || !c.buffers_after) return "";
  return fmt::format(
      "buffers    before {}\n"
      "           during {}\n"
      "           after  {}\n",
      hex(*c.buffers_before), hex(*c.buffers_during), hex(*c.buffers_after));
}

}  // namespace

std::string to_text(const Certificate& c) {
  return fmt::format(
      "identity   before {}\n"
      "           during {}\n"
      "           after  {}\n"
      "{}"
      "outputs    before {}   {} probes\n"
      "           during {}   KL {:.6g} nats, JS {:.6g}\n"
      "           after  {}   KL {:.6g} nats, JS {:.6g}\n"
      "verdict    {}\n",
      hex(c.fingerprint_before), hex(c.fingerprint_during), hex(c.fingerprint_after),
      buffers_text(c), hex(c.logits_before), c.probes, hex(c.logits_during), c.kl_during,
      c.js_during, hex(c.logits_after), c.kl_after, c.js_after,
      c.exact() ? "exact: every bit is back" : "NOT exact");
}

}  // namespace palinode::rbl
