#include "nn/model_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "nn/layout.h"
#include "tensor/error.h"

namespace palinode::nn {
namespace {

constexpr std::string_view kFormat = "palinode";

const std::string* find(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : &found->second;
}

ModelConfig read_config(const SafetensorsFile& content, const std::string& path) {
  const std::string where = fmt::format("model file: {}", path);
  const std::string* format = find(content.metadata, "format");
  if (format == nullptr || *format != kFormat) {
    throw FormatError(fmt::format("{}: its metadata has no format \"{}\"", where, kFormat));
  }
  for (const char* key : {"model", "config"}) {
    if (find(content.metadata, key) == nullptr) {
      throw FormatError(fmt::format("{}: its metadata has no {}", where, key));
    }
  }
  return model_config_from_json(content.metadata.at("model"), content.metadata.at("config"),
                                where + ": config");
}

// Stores of a ledger of their own, to try a file with.
struct Blank {
  Ledger ledger{Ledger::Level::kOff};
  const Store& store = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
};

Parameters declarations(const Blank& blank, const ModelConfig& config, const std::string& path) {
  try {
    return make_network(config, blank.store, needs_buffers(config) ? &blank.buffers : nullptr)
        ->parameters();
  } catch (const ShapeError& error) {
    throw FormatError(fmt::format("model file: {}: config: {}", path, error.what()));
  }
}

// The values by the network's declarations, each checked.
std::vector<Tensor> read_values(const SafetensorsFile& content, const Parameters& parameters,
                                const std::string& path) {
  std::map<std::string_view, const Tensor*> found;
  for (const Named& each : content.tensors) found.emplace(each.name, &each.value);
  std::vector<Tensor> values;
  for (const Parameter& parameter : parameters) {
    const auto place = found.find(parameter.name);
    if (place == found.end()) {
      throw FormatError(fmt::format("model file: {}: no tensor {}", path, parameter.name));
    }
    const Tensor& value = *place->second;
    const Dtype dtype = values.empty() ? value.dtype() : values.front().dtype();
    const bool is_float = dtype == Dtype::kF32 || dtype == Dtype::kF64;
    if (!is_float || value.dtype() != dtype || value.shape() != shape_in_file(parameter)) {
      throw FormatError(fmt::format(
          "model file: {}: {} is {}, expected {} {}", path, parameter.name, value.describe(),
          is_float ? dtype_name(dtype) : "f32 or f64", shape_in_file(parameter).to_string()));
    }
    values.push_back(from_file(value, parameter.layout));
    found.erase(place);
  }
  if (!found.empty()) {
    throw FormatError(
        fmt::format("model file: {}: its model has no tensor {}", path, found.begin()->first));
  }
  return values;
}

void check_fingerprint(const SafetensorsFile& content, const char* key, const Store& store,
                       const std::string& path) {
  const std::string* stated = find(content.metadata, key);
  if (stated == nullptr) return;
  const std::string actual = hex(fingerprint(store));
  if (*stated == actual) return;
  throw FormatError(fmt::format("model file: {}: states the {} {}, its values have {}", path, key,
                                *stated, actual));
}

void commit_values(Ledger& ledger, const Parameters& parameters, const std::vector<Tensor>& values,
                   std::string_view kind) {
  Proposal proposal{.reason = Reason::kLoad, .proposer = std::string(kind)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    proposal.writes.push_back({parameters[i].store, parameters[i].name, values[i], true});
  }
  ledger.commit(proposal);
}

}  // namespace

SafetensorsFile model_content(const Network& network,
                              const std::map<std::string, std::string>& more) {
  const ModelConfig config = config_of(network);
  SafetensorsFile content;
  content.metadata = {{"format", std::string(kFormat)},
                      {"model", std::string(kind_of(config))},
                      {"config", to_json(config)},
                      {"precision", std::string(name_of(precision_of(config)))},
                      {"fingerprint", hex(fingerprint(network.store()))}};
  if (network.buffers() != nullptr) {
    content.metadata["buffers_fingerprint"] = hex(fingerprint(*network.buffers()));
  }
  for (const auto& [key, value] : more) {
    if (content.metadata.emplace(key, value).second) continue;
    throw NameError(fmt::format("model file: the metadata {} is the model's own", key));
  }
  for (const Parameter& parameter : network.parameters()) {
    const Tensor& value = parameter.store->at(parameter.name);
    content.tensors.push_back({parameter.name, to_file(value, parameter.layout)});
  }
  return content;
}

void save_model(const std::string& path, const Network& network,
                const std::map<std::string, std::string>& more) {
  write_safetensors(path, model_content(network, more));
}

LoadedModel load_model(Ledger& ledger, const std::string& path, const std::string& name) {
  return load_model(ledger, read_safetensors(path), path, name);
}

LoadedModel load_model(Ledger& ledger, const SafetensorsFile& content, const std::string& path,
                       const std::string& name) {
  const ModelConfig config = read_config(content, path);
  Blank blank;
  const Parameters parameters = declarations(blank, config, path);
  const std::vector<Tensor> values = read_values(content, parameters, path);
  commit_values(blank.ledger, parameters, values, kind_of(config));
  check_fingerprint(content, "fingerprint", blank.store, path);
  check_fingerprint(content, "buffers_fingerprint", blank.buffers, path);

  LoadedModel loaded{config, nullptr, nullptr, nullptr, content.metadata};
  loaded.store = &ledger.open(name, Role::kIdentity);
  if (needs_buffers(config)) loaded.buffers = &ledger.open(name + ".buffers", Role::kBuffer);
  loaded.network = make_network(config, *loaded.store, loaded.buffers);
  commit_values(ledger, loaded.network->parameters(), values, kind_of(config));
  return loaded;
}

}  // namespace palinode::nn
