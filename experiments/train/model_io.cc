#include "experiments/train/model_io.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "nn/model_file.h"
#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

constexpr const char* kConfig = "train.config";

}  // namespace

void save_model(const std::string& path, const nn::Network& network, const Config& config,
                const std::optional<Tokenizer>& tokenizer) {
  std::map<std::string, std::string> more = {{kConfig, to_toml(config)}};
  if (tokenizer) more[kTokenizerKey] = tokenizer->to_json();
  nn::save_model(path, network, more);
}

TrainedModel load_trained(const std::string& path) {
  return load_trained(path, std::make_unique<Ledger>(Ledger::Level::kOff));
}

TrainedModel load_trained(const std::string& path, std::unique_ptr<Ledger> ledger) {
  TrainedModel model;
  model.ledger = std::move(ledger);
  nn::LoadedModel loaded = nn::load_model(*model.ledger, path);
  model.network = std::move(loaded.network);
  const auto config = loaded.metadata.find(kConfig);
  if (config == loaded.metadata.end()) {
    throw FormatError(fmt::format("{}: was not written by palinode train (no {} in its metadata)",
                                  path, kConfig));
  }
  try {
    model.config = parse_config(config->second, fmt::format("{}: {}", path, kConfig));
  } catch (const ConfigError& error) {
    throw FormatError(error.what());
  }
  const auto tokenizer = loaded.metadata.find(kTokenizerKey);
  if (tokenizer != loaded.metadata.end()) {
    model.tokenizer =
        parse_tokenizer(tokenizer->second, fmt::format("{}: {}", path, kTokenizerKey));
  } else if (model.config.language_model()) {
    throw FormatError(fmt::format("{}: a {} without {} in its metadata", path,
                                  model.config.model.kind, kTokenizerKey));
  }
  return model;
}

}  // namespace palinode::experiments::train
