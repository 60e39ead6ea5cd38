// model.safetensors: a network that says by itself how it was trained and what it reads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "experiments/tokenizer/tokenizer.h"
#include "experiments/train/config.h"
#include "nn/network.h"
#include "tensor/ledger.h"

namespace palinode::experiments::train {

inline constexpr const char* kTokenizerKey = "train.tokenizer";

// Beside what nn/model_file.h writes, the metadata have
//   train.config     the effective settings, as TOML
//   train.tokenizer  of a language model, as JSON (tokenizer.h)
// Throws EnvironmentError if it cannot be written.
void save_model(const std::string& path, const nn::Network& network, const Config& config,
                const std::optional<Tokenizer>& tokenizer);

struct TrainedModel {
  Config config;
  std::optional<Tokenizer> tokenizer;
  std::unique_ptr<Ledger> ledger;  // of the stores the network reads
  std::unique_ptr<nn::Network> network;
};

// Throws FormatError naming the file and what is wrong with it.
TrainedModel load_trained(const std::string& path);
// Into a ledger of one's own, which the model then owns.
TrainedModel load_trained(const std::string& path, std::unique_ptr<Ledger> ledger);

}  // namespace palinode::experiments::train
