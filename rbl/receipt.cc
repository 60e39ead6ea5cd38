#include "rbl/receipt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace palinode::rbl {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::optional<Sha256Digest>& digest) {
  return digest ? Json(hex(*digest)) : Json(nullptr);
}

Json json_of(const Certificate& c) {
  return {{"exact", c.exact()},
          {"probes", c.probes},
          {"fingerprint_before", hex(c.fingerprint_before)},
          {"fingerprint_during", hex(c.fingerprint_during)},
          {"fingerprint_after", hex(c.fingerprint_after)},
          {"buffers_before", json_of(c.buffers_before)},
          {"buffers_during", json_of(c.buffers_during)},
          {"buffers_after", json_of(c.buffers_after)},
          {"logits_before", hex(c.logits_before)},
          {"logits_during", hex(c.logits_during)},
          {"logits_after", hex(c.logits_after)},
          {"kl_during", c.kl_during},
          {"js_during", c.js_during},
          {"kl_after", c.kl_after},
          {"js_after", c.js_after}};
}

std::string printed(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string to_json(const Receipt& receipt) {
  Json optimizers = Json::array();
  for (const Dropped& each : receipt.optimizers) {
    optimizers.push_back({{"store", each.store},
                          {"entries", each.entries},
                          {"bytes", each.bytes},
                          {"held", each.held}});
  }
  Json json = {{"palinode_receipt", 1},      {"action", receipt.action},
               {"units", receipt.units},     {"active", receipt.active},
               {"certificate", nullptr},     {"unmeasured", receipt.unmeasured},
               {"optimizers", optimizers},   {"bytes_freed", receipt.bytes_freed},
               {"copies", receipt.copies},   {"record", receipt.record},
               {"chain", hex(receipt.chain)}};
  if (receipt.certificate) json["certificate"] = json_of(*receipt.certificate);
  return printed(json);
}

std::string to_text(const Receipt& receipt) {
  std::string text = fmt::format("{:<10} {}\nactive     {}\n", receipt.action,
                                 listed(receipt.units), listed(receipt.active));
  if (receipt.certificate) text += to_text(*receipt.certificate);
  if (!receipt.unmeasured.empty()) text += fmt::format("unmeasured {}\n", receipt.unmeasured);
  for (const Dropped& each : receipt.optimizers) {
    text +=
        fmt::format("dropped    {}: {} entries, {} bytes{}\n", each.store, each.entries, each.bytes,
                    each.held == 0 ? "" : fmt::format(", {} of them held elsewhere", each.held));
  }
  if (!receipt.copies.empty()) text += fmt::format("refused    {}\n", listed(receipt.copies));
  return text + fmt::format("freed      {} bytes\nrecord     {}   chain {}\n", receipt.bytes_freed,
                            receipt.record, hex(receipt.chain));
}

std::string to_json(const Tombstone& tombstone) {
  return printed({{"palinode_tombstone", 1},
                  {"unit", tombstone.unit},
                  {"kind", tombstone.kind},
                  {"digest", hex(tombstone.digest)},
                  {"identity", hex(tombstone.identity)},
                  {"version", tombstone.version},
                  {"reason", tombstone.reason},
                  {"by", tombstone.by},
                  {"file", tombstone.file},
                  {"bytes_wiped", tombstone.bytes_wiped},
                  {"record", tombstone.record}});
}

std::string tombstone_path(const std::string& path) { return path + ".tombstone.json"; }

}  // namespace palinode::rbl
