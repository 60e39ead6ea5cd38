// From settings to the things they name.
#pragma once

#include <cstdint>
#include <memory>

#include "experiments/train/config.h"
#include "nn/model_config.h"
#include "optim/optimizer.h"
#include "tensor/ledger.h"
#include "tensor/shape.h"

namespace palinode::experiments::train {

// `example` is the shape of one image, [h, w, c]; `classes` how many classes there are, or tokens.
// Throws ConfigError if they do not fit the settings.
nn::ModelConfig model_config(const Config& config, const Shape& example, std::size_t classes);

// Throws ConfigError if the schedule does not fit into `steps`.
std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerConfig& config, std::uint64_t steps,
                                                 const Store& state, const Store& theta);

}  // namespace palinode::experiments::train
