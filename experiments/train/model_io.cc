#include "experiments/train/model_io.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <utility>

#include "experiments/train/build.h"
#include "tensor/error.h"
#include "tensor/safetensors.h"

namespace palinode::experiments::train {
namespace {

std::string text_of(const Task& task) {
  std::string text;
  for (const std::size_t extent : task.example.extents()) text += fmt::format("{} ", extent);
  return text + std::to_string(task.classes);
}

}  // namespace

void save_model(const std::string& path, const nn::Network& network, const Config& config,
                const Task& task) {
  SafetensorsFile file;
  file.metadata["train.config"] = to_toml(config);
  file.metadata["train.signature"] = text_of(task);
  if (task.tokenizer) file.metadata["train.tokenizer"] = task.tokenizer->to_json();
  for (const Entry& e : network.store().entries()) file.tensors.push_back({e.name, e.value});
  write_safetensors(path, file);
}

LoadedModel load_model(const std::string& path) {
  SafetensorsFile file = read_safetensors(path);
  LoadedModel model;
  model.config = parse_config(file.metadata.at("train.config"), path);
  model.ledger = std::make_unique<Ledger>(Ledger::Level::kOff);
  const Store& theta = model.ledger->open("theta", Role::kIdentity);
  const Store& buffers = model.ledger->open("buffers", Role::kBuffer);
  Signature signature{Shape{64}, 10};
  model.network = make_network(model.config, signature, theta, buffers);
  Proposal load{.reason = Reason::kLoad, .proposer = "load"};
  for (const Named& n : file.tensors) load.writes.push_back({&theta, n.name, n.value, true});
  model.ledger->commit(load);
  return model;
}

}  // namespace palinode::experiments::train
