#include "experiments/behavior/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "nn/model_file.h"
#include "rbl/peft.h"
#include "rbl/peft_config.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/ledger_file.h"
#include "tensor/safetensors_header.h"

namespace palinode::experiments {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kMaxConfig = std::size_t{1} << 20;

std::string one_line(const std::string& text) {
  constexpr std::size_t kMost = 100;
  const std::string line = palinode::quoted(text.substr(0, kMost));
  return text.size() <= kMost ? line : fmt::format("{}... ({} bytes)", line, text.size());
}

void add_metadata(Inspection& found, const std::map<std::string, std::string>& metadata) {
  found.json["metadata"] = metadata;
  for (const auto& [key, value] : metadata) {
    found.text += fmt::format("{} = {}\n", palinode::quoted(key), one_line(value));
  }
}

void add_tensors(Inspection& found, std::vector<Named> tensors) {
  std::ranges::sort(tensors, {}, &Named::name);
  std::size_t width = 6, bytes = 0;
  for (const Named& each : tensors) width = std::max(width, palinode::quoted(each.name).size() - 2);
  found.text += fmt::format("\n{:<{}}  {:<5} {:<20} {:>10}  xxh3-128\n", "tensor", width, "dtype",
                            "shape", "bytes");
  Json list = Json::array();
  for (const Named& each : tensors) {
    const Tensor& value = each.value;
    const std::string name = palinode::quoted(each.name), shape = value.shape().to_string();
    found.text +=
        fmt::format("{:<{}}  {:<5} {:<20} {:>10}  {}\n", name.substr(1, name.size() - 2), width,
                    dtype_name(value.dtype()), shape, value.bytes(), hex(xxh3(value)));
    const auto extents = value.shape().extents();
    list.push_back({{"name", each.name},
                    {"dtype", dtype_name(value.dtype())},
                    {"shape", std::vector<std::size_t>(extents.begin(), extents.end())},
                    {"bytes", value.bytes()},
                    {"xxh3", hex(xxh3(value))}});
    bytes += value.bytes();
  }
  found.text += fmt::format("{} tensors, {} bytes\n", tensors.size(), bytes);
  found.json["tensors"] = list;
  found.json["bytes"] = bytes;
}

void add_fact(Inspection& found, const char* key, const std::string& value) {
  found.json[key] = value;
  found.text += fmt::format("{:<12} {}\n", key, value);
}

void add_fit(Inspection& found, const std::string& identity, const auto& load) {
  if (identity.empty()) return;
  Ledger ledger(Ledger::Level::kOff);
  const nn::LoadedModel model = nn::load_model(ledger, identity);
  load(ledger, *model.network);
  add_fact(found, "loads onto", identity);
}

void describe_model(Inspection& found, const SafetensorsFile& content, const std::string& path) {
  Ledger ledger(Ledger::Level::kOff);
  const nn::LoadedModel model = nn::load_model(ledger, content, path);
  add_fact(found, "model", std::string(nn::kind_of(model.config)));
  add_fact(found, "values", std::to_string(model.store->elements()));
  add_fact(found, "fingerprint", hex(fingerprint(*model.store)));
  if (model.buffers != nullptr) add_fact(found, "buffers", hex(fingerprint(*model.buffers)));
}

void describe_behavior(Inspection& found, const SafetensorsFile& content, const std::string& path,
                       const std::string& identity) {
  rbl::check_behavior_file(content, path);
  for (const char* key : {"kind", "settings", "identity", "digest", "manifest"}) {
    add_fact(found, key, content.metadata.at(key));
  }
  add_fit(found, identity, [&](Ledger& ledger, const nn::Network& network) {
    rbl::load_behavior(ledger, network, content, path, "phi", rbl::OtherIdentity::kRefuse);
  });
}

Inspection inspect_safetensors(const std::string& path, const std::string& identity) {
  const SafetensorsFile content = read_safetensors(path);
  Inspection found{.kind = "safetensors", .json = {}, .text = {}};
  const auto format = content.metadata.find("format");
  const std::string stated = format == content.metadata.end() ? "" : format->second;
  if (stated == "palinode") {
    found.kind = "model";
    describe_model(found, content, path);
  } else if (stated == rbl::kBehaviorFormat) {
    found.kind = "behavior";
    describe_behavior(found, content, path, identity);
  } else if (content.metadata.contains("palinode_checkpoint")) {
    found.kind = "checkpoint";
    const Checkpoint checkpoint = load_checkpoint(path);
    add_fact(found, "sequence", std::to_string(checkpoint.sequence));
    add_fact(found, "head", hex(checkpoint.head));
  }
  add_metadata(found, content.metadata);
  add_tensors(found, content.tensors);
  return found;
}

Inspection inspect_ledger(const std::string& path) {
  const LedgerVerdict verdict = verify_ledger(path);
  Inspection found{.kind = "ledger", .json = {}, .text = {}, .sound = verdict.intact};
  add_fact(found, "records", std::to_string(verdict.records));
  add_fact(found, "head", hex(verdict.head));
  add_fact(found, "chain", verdict.intact ? "intact" : "broken: " + verdict.fault);
  return found;
}

Inspection inspect_peft(const std::string& folder, const std::string& identity) {
  const std::string config_file = folder + "/adapter_config.json";
  const rbl::PeftConfig config =
      rbl::parse_peft_config(read_file(config_file, kMaxConfig), "PEFT: " + config_file);
  Inspection found{.kind = "PEFT adapter", .json = {}, .text = {}};
  add_fact(found, "adapter", config.dora ? "dora" : "lora");
  add_fact(found, "r", std::to_string(config.rank));
  add_fact(found, "lora_alpha", fmt::format("{}", config.alpha));
  add_fact(found, "use_rslora", config.rank_stabilized ? "true" : "false");
  for (const auto& [key, value] : config.notes) add_fact(found, key.c_str(), value);
  add_fit(found, identity, [&](Ledger& ledger, const nn::Network& network) {
    rbl::load_peft(ledger, network, folder);
  });
  const SafetensorsFile content = read_safetensors(folder + "/adapter_model.safetensors");
  add_metadata(found, content.metadata);
  add_tensors(found, content.tensors);
  return found;
}

}  // namespace

Inspection inspect(const std::string& path, const std::string& identity) {
  const auto finished = [&](Inspection found) {
    found.text = fmt::format("{}: {}\n", path, found.kind) + found.text;
    Json json = {{"path", path}, {"file", found.kind}, {"sound", found.sound}};
    json.update(found.json);
    found.json = std::move(json);
    return found;
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return finished(inspect_peft(path, identity));
  // A ledger is lines of JSON; a safetensors file begins with the length of its header.
  std::ifstream file(path, std::ios::binary);
  char first[9] = {};
  file.read(first, sizeof first - 1);
  const bool text = first[0] == '{' && first[1] == '"' && first[7] != 0;
  return finished(text ? inspect_ledger(path) : inspect_safetensors(path, identity));
}

}  // namespace palinode::experiments
