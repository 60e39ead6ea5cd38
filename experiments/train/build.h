// From settings to the things they name.
#pragma once

#include <cstdint>
#include <memory>

#include "experiments/train/config.h"
#include "nn/network.h"
#include "optim/optimizer.h"
#include "tensor/ledger.h"
#include "tensor/shape.h"

namespace palinode::experiments::train {

// What goes in and what comes out.
struct Signature {
  Shape example;            // of one image: [features] for an mlp, [h, w, c] for a cnn
  std::size_t classes = 0;  // or the size of the vocabulary
};

// The network's parameters belong in `theta`, its statistics in `buffers`. Throws ConfigError if
// the settings do not fit the signature.
std::unique_ptr<nn::Network> make_network(const Config& config, const Signature& signature,
                                          const Store& theta, const Store& buffers);

// Throws ConfigError if the schedule does not fit into `steps`.
std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerConfig& config, std::uint64_t steps,
                                                 const Store& state, const Store& theta);

Ledger::Level ledger_level(const std::string& name);  // "off", "summary", "digest"

}  // namespace palinode::experiments::train
