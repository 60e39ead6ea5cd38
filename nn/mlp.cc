#include "nn/mlp.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace palinode::nn {

Mlp::Mlp(const Store& store, const Store* buffers, const MlpConfig& config)
    : store_(&store), buffers_(config.batch_norm ? buffers : nullptr), config_(config) {
  const std::size_t count = config.sizes.size();
  if (count < 2) throw ShapeError(fmt::format("mlp: needs at least two sizes, got {}", count));
  if (config.batch_norm && buffers == nullptr) {
    throw NameError("mlp: batch_norm needs a store for its statistics");
  }
  for (std::size_t i = 0; i + 1 < count; ++i) {
    layers_.emplace_back(store, fmt::format("layer.{}", i),
                         LinearConfig{config.sizes[i], config.sizes[i + 1]});
    if (config.batch_norm && i + 2 < count) {
      norms_.emplace_back(store, *buffers, fmt::format("norm.{}", i),
                          BatchNormConfig{config.sizes[i + 1]});
    }
  }
}

Parameters Mlp::parameters() const {
  Parameters all;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].declare(all);
    if (i < norms_.size()) norms_[i].declare(all);
  }
  return all;
}

Var Mlp::forward(Run& run, Var x) const {
  const Shape& shape = x.shape();
  if (shape.rank() > 2 && shape[0] > 0) {
    x = reshape(x, {shape[0], shape.elements() / shape[0]});
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i](run, x);
    if (i < norms_.size()) x = norms_[i](run, x);
    if (i + 1 < layers_.size()) x = activate(config_.activation, x, config_.precision);
  }
  return x;
}

std::vector<std::string> Mlp::sites() const {
  std::vector<std::string> names;
  for (const Linear& layer : layers_) names.push_back(layer.name());
  return names;
}

}  // namespace palinode::nn
