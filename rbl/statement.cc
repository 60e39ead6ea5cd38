#include "rbl/statement.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "rbl/sign.h"
#include "tensor/error.h"

namespace palinode::rbl {

std::string to_text(const Statement& statement) {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "palinode-behavior 1\nkind {}\n", statement.config.kind);
  for (const auto& [name, value] : statement.config.settings) {
    fmt::format_to(out, "setting {} {}\n", name, value);
  }
  for (const std::string& site : statement.config.sites) fmt::format_to(out, "site {}\n", site);
  fmt::format_to(out, "identity {}\nversion {}\nparent {}\nvalues {}\n", hex(statement.identity),
                 statement.version, statement.parent ? hex(*statement.parent) : "-",
                 hex(statement.values));
  return text;
}

Sha256Digest digest(const Statement& statement) { return sha256(to_text(statement)); }

std::string to_json(const BehaviorConfig& config) {
  nlohmann::json json = {{"kind", config.kind}, {"sites", config.sites}};
  json["settings"] = nlohmann::json::object();
  for (const auto& [name, value] : config.settings) json["settings"][name] = value;
  return json.dump(-1, ' ', true);
}

BehaviorConfig config_from_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto fail = [&] { throw FormatError("config: not that of a behavior: " + text); };
  if (!json.is_object() || !json.contains("kind") || !json.contains("sites")) fail();
  if (!json.contains("settings") || !json["settings"].is_object()) fail();
  if (!json["kind"].is_string() || !json["sites"].is_array()) fail();
  BehaviorConfig config{.kind = json["kind"].get<std::string>()};
  for (const auto& site : json["sites"]) {
    if (!site.is_string()) fail();
    config.sites.push_back(site.get<std::string>());
  }
  for (const auto& [name, value] : json["settings"].items()) {
    if (!value.is_number()) fail();
    config.settings.emplace(name, value.get<double>());
  }
  return config;
}

Sha256Digest digest_from_hex(std::string_view text, std::string_view what) {
  return bytes_from_hex<32>(text, what);
}

}  // namespace palinode::rbl
