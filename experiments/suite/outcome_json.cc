#include "experiments/suite/outcome_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tensor/digest.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using nlohmann::ordered_json;

const ordered_json& part(const ordered_json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  if (found == json.end()) throw FormatError(fmt::format("outcome: \"{}\" is missing", name));
  return *found;
}

template <class Digest>
Digest digest_from(const ordered_json& json, const char* name) {
  const ordered_json& text = part(json, name);
  Digest digest{};
  const auto nibble = [name](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    throw FormatError(fmt::format("outcome: \"{}\" is no digest", name));
  };
  const std::string hex_text = text.is_string() ? text.get<std::string>() : "";
  if (hex_text.size() != 2 * digest.size()) {
    throw FormatError(fmt::format("outcome: \"{}\" is no digest", name));
  }
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] =
        static_cast<std::uint8_t>(nibble(hex_text[2 * i]) << 4U | nibble(hex_text[2 * i + 1]));
  }
  return digest;
}

// The studies' identities have no buffers of their own, so a certificate here has none.
ordered_json certificate_json(const rbl::Certificate& c) {
  return {{"fingerprint_before", hex(c.fingerprint_before)},
          {"fingerprint_during", hex(c.fingerprint_during)},
          {"fingerprint_after", hex(c.fingerprint_after)},
          {"logits_before", hex(c.logits_before)},
          {"logits_during", hex(c.logits_during)},
          {"logits_after", hex(c.logits_after)},
          {"kl_during", json_number(c.kl_during)},
          {"js_during", json_number(c.js_during)},
          {"kl_after", json_number(c.kl_after)},
          {"js_after", json_number(c.js_after)},
          {"probes", c.probes}};
}

rbl::Certificate certificate_from(const ordered_json& json) {
  rbl::Certificate c{};
  c.fingerprint_before = digest_from<Sha256Digest>(json, "fingerprint_before");
  c.fingerprint_during = digest_from<Sha256Digest>(json, "fingerprint_during");
  c.fingerprint_after = digest_from<Sha256Digest>(json, "fingerprint_after");
  c.logits_before = digest_from<Xxh3Digest>(json, "logits_before");
  c.logits_during = digest_from<Xxh3Digest>(json, "logits_during");
  c.logits_after = digest_from<Xxh3Digest>(json, "logits_after");
  c.kl_during = number_from_json(part(json, "kl_during"), "kl_during");
  c.js_during = number_from_json(part(json, "js_during"), "js_during");
  c.kl_after = number_from_json(part(json, "kl_after"), "kl_after");
  c.js_after = number_from_json(part(json, "js_after"), "js_after");
  const ordered_json& probes = part(json, "probes");
  if (!probes.is_number_unsigned()) throw FormatError("outcome: \"probes\" is no count");
  c.probes = probes.get<std::size_t>();
  return c;
}

}  // namespace

ordered_json outcome_json(const Outcome& outcome) {
  ordered_json json;
  json["rows"] = ordered_json::array();
  for (const Row& row : outcome.rows) json["rows"].push_back(row_json(row));
  json["points"] = ordered_json::array();
  for (const Point& point : outcome.points) json["points"].push_back(point_json(point));
  json["certificate"] =
      outcome.certificate ? certificate_json(*outcome.certificate) : ordered_json();
  return json;
}

Outcome outcome_from_json(const ordered_json& json) {
  Outcome outcome;
  const ordered_json& rows = part(json, "rows");
  const ordered_json& points = part(json, "points");
  if (!rows.is_array() || !points.is_array()) throw FormatError("outcome: rows or points no array");
  for (const ordered_json& row : rows) outcome.rows.push_back(row_from_json(row));
  for (const ordered_json& point : points) outcome.points.push_back(point_from_json(point));
  const ordered_json& certificate = part(json, "certificate");
  if (!certificate.is_null()) outcome.certificate = certificate_from(certificate);
  return outcome;
}

}  // namespace palinode::experiments
