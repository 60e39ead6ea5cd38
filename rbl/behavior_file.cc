#include "rbl/behavior_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "nn/layout.h"
#include "tensor/error.h"
#include "tensor/safetensors_header.h"

namespace palinode::rbl {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kVersion = "1";
constexpr std::string_view kNote = "note.";
constexpr std::array kNeeded = {"format", "format_version", "kind",   "sites",  "settings",
                                "dtype",  "identity",       "digest", kManifest};

// The texts of a record by their keys.
struct Text {
  const char* key;
  std::string BehaviorRecord::*member;
};
constexpr std::array kTexts = {Text{"version", &BehaviorRecord::version},
                               Text{"parent", &BehaviorRecord::parent},
                               Text{"command", &BehaviorRecord::command},
                               Text{"seed", &BehaviorRecord::seed},
                               Text{"data_digest", &BehaviorRecord::data_digest},
                               Text{"code_version", &BehaviorRecord::code_version},
                               Text{"forced_onto", &BehaviorRecord::forced_onto}};

Sha256Digest digest_from(const std::string& text, const std::string& what) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  Sha256Digest digest{};
  bool good = text.size() == 2 * digest.size();
  for (std::size_t i = 0; good && i < text.size(); ++i) {
    const std::size_t digit = kDigits.find(text[i]);
    good = digit != std::string_view::npos;
    if (good) digest[i / 2] = static_cast<std::uint8_t>(digest[i / 2] * 16 + digit);
  }
  if (!good) throw FormatError(fmt::format("{}: expected 64 hex digits", what));
  return digest;
}

Sha256Digest digest_of(std::span<const Named> tensors) {
  std::map<std::string_view, const Tensor*> sorted;
  for (const Named& each : tensors) sorted.emplace(each.name, &each.value);
  Sha256 sha;
  for (const auto& [name, value] : sorted) sha.add(leaf_digest(name, *value));
  return sha.finish();
}

std::vector<Named> file_tensors(const Behavior& unit) {
  std::vector<Named> tensors;
  for (const nn::Parameter& parameter : unit.parameters()) {
    const Tensor& value = unit.phi().at(parameter.name);
    tensors.push_back({parameter.name, nn::to_file(value, parameter.layout)});
  }
  return tensors;
}

// One file on its way in: what it says is checked here, against itself and an identity.
class Reader {
 public:
  Reader(const SafetensorsFile& content, const std::string& path)
      : content_(content), where_("behavior file: " + path) {
    check_keys();
    const std::string actual = hex(digest_of(content.tensors));
    if (text("digest") == actual) return;
    fail(fmt::format("altered: it states the digest {}, its tensors have {}",
                     palinode::quoted(text("digest")), actual));
  }

  // phi's values in the order of the unit's parameters.
  std::vector<Tensor> values(const Behavior& unit) const {
    const std::string& stated = text("dtype");
    if (stated != dtype_name(unit.dtype())) {
      fail(fmt::format("its values are {}, those of the identity {}", palinode::quoted(stated),
                       dtype_name(unit.dtype())));
    }
    std::map<std::string_view, const Tensor*> found;
    for (const Named& each : content_.tensors) found.emplace(each.name, &each.value);
    std::vector<Tensor> values;
    for (const nn::Parameter& parameter : unit.parameters()) {
      const auto place = found.find(parameter.name);
      if (place == found.end()) fail(fmt::format("no tensor {}", parameter.name));
      const Tensor& value = *place->second;
      const Shape shape = nn::shape_in_file(parameter);
      if (value.dtype() != unit.dtype() || value.shape() != shape) {
        fail(fmt::format("{} is {}, expected {} {}", parameter.name, value.describe(),
                         dtype_name(unit.dtype()), shape.to_string()));
      }
      values.push_back(nn::from_file(value, parameter.layout));
      found.erase(place);
    }
    if (!found.empty())
      fail(fmt::format("its unit has no tensor {}", palinode::quoted(found.begin()->first)));
    return values;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(fmt::format("{}: {}", where_, what));
  }

  BehaviorConfig config(const nn::Network& identity) const;
  BehaviorRecord record() const;

 private:
  const std::string& text(const char* key) const { return content_.metadata.at(key); }

  static bool known(const std::string& key) {
    return std::ranges::find(kNeeded, key) != kNeeded.end() ||
           std::ranges::find(kTexts, key, &Text::key) != kTexts.end() || key == kSignature ||
           key == kPublicKey || key == "identity_buffers" || key.starts_with(kNote);
  }

  void check_keys() const {
    const Metadata& metadata = content_.metadata;
    const auto format = metadata.find("format");
    if (format == metadata.end() || format->second != kBehaviorFormat) {
      fail(fmt::format("its metadata has no format \"{}\"", kBehaviorFormat));
    }
    for (const char* key : kNeeded) {
      if (!metadata.contains(key)) fail(fmt::format("its metadata has no {}", key));
    }
    if (text("format_version") != kVersion) {
      fail(fmt::format("of version {}; this program reads version {}",
                       palinode::quoted(text("format_version")), kVersion));
    }
    for (const auto& [key, value] : metadata) {
      if (!known(key)) fail(fmt::format("unknown metadata {}", palinode::quoted(key)));
    }
    if (text(kManifest) != manifest_digest(metadata)) {
      fail(fmt::format("altered: it states the manifest {}, its metadata have {}",
                       palinode::quoted(text(kManifest)), manifest_digest(metadata)));
    }
    static_cast<void>(signer(metadata, where_));
  }

  // JSON that is written as this program writes it, which leaves no room for a key that is there
  // twice.
  Json json(const char* key) const {
    Json value = Json::parse(text(key), nullptr, false);
    if (value.is_discarded() || value.dump() != text(key)) {
      fail(fmt::format("{}: expected JSON in its shortest form, got {}", key,
                       palinode::quoted(text(key))));
    }
    return value;
  }

  std::map<std::string, double, std::less<>> settings(const BehaviorKind& kind) const {
    std::map<std::string, double, std::less<>> settings;
    const Json stated = json("settings");
    if (!stated.is_object()) fail("settings: expected an object");
    for (const auto& item : stated.items()) {
      const auto setting = std::ranges::find(kind.settings, item.key(), &Setting::name);
      if (setting == kind.settings.end()) {
        fail(fmt::format("unknown setting {} of {}", palinode::quoted(item.key()), kind.name));
      }
      if (!item.value().is_number_float()) {
        fail(fmt::format("settings: {}: expected a number", setting->name));
      }
      settings.emplace(setting->name, item.value().get<double>());
    }
    for (const Setting& setting : kind.settings) {
      if (!settings.contains(setting.name)) fail(fmt::format("no setting {}", setting.name));
    }
    return settings;
  }

  const SafetensorsFile& content_;
  std::string where_;
};

BehaviorConfig Reader::config(const nn::Network& identity) const {
  BehaviorConfig config{.kind = text("kind")};
  const std::span<const BehaviorKind> kinds = behavior_kinds();
  const auto kind = std::ranges::find(kinds, config.kind, &BehaviorKind::name);
  if (kind == kinds.end()) fail(fmt::format("unknown kind {}", palinode::quoted(config.kind)));
  config.settings = settings(*kind);
  const std::vector<std::string> possible = kind->sites(identity);
  const Json sites = json("sites");
  if (!sites.is_array() || sites.empty()) fail("sites: expected a list of names");
  for (const Json& site : sites) {
    if (!site.is_string()) fail("sites: expected a list of names");
    config.sites.push_back(site.get<std::string>());
    if (std::ranges::find(possible, config.sites.back()) != possible.end()) continue;
    fail(fmt::format("the identity has no site {} for {}", palinode::quoted(config.sites.back()),
                     config.kind));
  }
  return config;
}

BehaviorRecord Reader::record() const {
  BehaviorRecord record;
  record.identity = digest_from(text("identity"), where_ + ": identity");
  for (const auto& [key, value] : content_.metadata) {
    if (key == "identity_buffers") record.buffers = digest_from(value, where_ + ": " + key);
    if (key.starts_with(kNote)) record.notes.emplace(key.substr(kNote.size()), value);
    const auto text = std::ranges::find(kTexts, key, &Text::key);
    if (text != kTexts.end()) record.*text->member = value;
  }
  return record;
}

void commit_values(Ledger& ledger, const Behavior& unit, const std::vector<Tensor>& values,
                   const std::string& proposer) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = PoolString(proposer)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    proposal.writes.push_back(
        {&unit.phi(), PoolString(unit.parameters()[i].name), values[i], true});
  }
  ledger.commit(proposal);
}

std::string sites_json(const std::vector<std::string>& sites) { return Json(sites).dump(); }

std::string settings_json(const BehaviorConfig& config) {
  Json settings = Json::object();
  for (const auto& [name, value] : config.settings) settings[name] = value;
  return settings.dump();
}

}  // namespace

Sha256Digest behavior_digest(const Behavior& unit) { return digest_of(file_tensors(unit)); }

void check_behavior_file(const SafetensorsFile& content, const std::string& path) {
  const Reader reader(content, path);
}

BehaviorRecord record_of(const nn::Network& identity) {
  BehaviorRecord record{.identity = fingerprint(identity.store())};
  if (identity.buffers() != nullptr) record.buffers = fingerprint(*identity.buffers());
  return record;
}

SafetensorsFile behavior_content(const Behavior& unit, const BehaviorRecord& record) {
  SafetensorsFile content{.metadata = {}, .tensors = file_tensors(unit)};
  Metadata& metadata = content.metadata;
  metadata = {
      {"format", std::string(kBehaviorFormat)},   {"format_version", std::string(kVersion)},
      {"kind", std::string(unit.kind())},         {"sites", sites_json(unit.config().sites)},
      {"settings", settings_json(unit.config())}, {"dtype", std::string(dtype_name(unit.dtype()))},
      {"identity", hex(record.identity)},         {"digest", hex(digest_of(content.tensors))}};
  if (record.buffers) metadata["identity_buffers"] = hex(*record.buffers);
  for (const Text& text : kTexts) {
    if (!(record.*text.member).empty()) metadata[text.key] = record.*text.member;
  }
  for (const auto& [key, value] : record.notes) metadata[std::string(kNote) + key] = value;
  metadata[kManifest] = manifest_digest(metadata);
  return content;
}

void save_behavior(const std::string& path, const Behavior& unit, const BehaviorRecord& record) {
  write_safetensors(path, behavior_content(unit, record));
}

LoadedBehavior load_behavior(Ledger& ledger, const nn::Network& identity, const std::string& path,
                             const std::string& name, OtherIdentity other) {
  return load_behavior(ledger, identity, read_safetensors(path), path, name, other);
}

LoadedBehavior load_behavior(Ledger& ledger, const nn::Network& identity,
                             const SafetensorsFile& content, const std::string& path,
                             const std::string& name, OtherIdentity other) {
  const Reader reader(content, path);
  const BehaviorConfig config = reader.config(identity);
  LoadedBehavior loaded{nullptr, reader.record(), content.metadata};
  const BehaviorRecord actual = record_of(identity);
  loaded.forced =
      loaded.record.identity != actual.identity || loaded.record.buffers != actual.buffers;
  if (loaded.forced && other == OtherIdentity::kRefuse) {
    const bool statistics = loaded.record.identity == actual.identity;
    reader.fail(fmt::format("was made for the identity {}, this one {}",
                            hex(loaded.record.identity),
                            statistics ? "has other buffers" : "is " + hex(actual.identity)));
  }
  if (loaded.forced) loaded.record.forced_onto = hex(actual.identity);

  Ledger blank(Ledger::Level::kOff);  // to try the settings with
  BehaviorPointer trial;
  try {
    trial = make_behavior(blank.open("phi", Role::kBehavior), identity, config);
  } catch (const NameError& error) {
    reader.fail(error.what());
  }
  const std::vector<Tensor> values = reader.values(*trial);

  const Store& phi = ledger.open(name, Role::kBehavior);
  loaded.unit = make_behavior(phi, identity, config);
  commit_values(ledger, *loaded.unit, values,
                std::string(loaded.unit->kind()) + (loaded.forced ? ".forced" : ""));
  return loaded;
}

}  // namespace palinode::rbl
