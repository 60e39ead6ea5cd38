#include "nn/cnn.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace palinode::nn {

Cnn::Cnn(const Store& store, const Store* buffers, const CnnConfig& config)
    : store_(&store), buffers_(config.batch_norm ? buffers : nullptr), config_(config) {
  if (config.batch_norm && buffers == nullptr) {
    throw NameError("cnn: batch_norm needs a store for its statistics");
  }
  std::size_t height = config.height, width = config.width, channels = config.channels;
  for (std::size_t i = 0; i < config.blocks.size(); ++i) {
    const ConvBlock& block = config.blocks[i];
    if (block.kernel % 2 == 0 || block.channels == 0 || block.pool == 0) {
      throw ShapeError(
          fmt::format("cnn: block {} needs channels, an odd kernel and pool from 1, got {}, {}, {}",
                      i, block.channels, block.kernel, block.pool));
    }
    const std::size_t padding = block.kernel / 2;
    const std::string name = fmt::format("block.{}", i);
    const Conv2dConfig conv{
        channels, block.channels, block.kernel, {.padding = {padding, padding}}};
    blocks_.push_back({Conv2d(store, name + ".conv", conv), {}, block.pool});
    channels = block.channels;
    if (config.batch_norm) {
      blocks_.back().norm.emplace(store, *buffers, name + ".norm", BatchNormConfig{channels});
    }
    height /= block.pool;
    width /= block.pool;
  }
  features_ = Shape{height, width, channels}.elements();
  if (features_ == 0 || config.classes == 0) {
    throw ShapeError(fmt::format("cnn: {} x {} places of {} channels are left for {} classes",
                                 height, width, channels, config.classes));
  }
  std::vector<std::size_t> sizes = {features_};
  sizes.insert(sizes.end(), config.hidden.begin(), config.hidden.end());
  sizes.push_back(config.classes);
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const std::string name = fmt::format("layer.{}", i);
    dropouts_.emplace_back(name + ".dropout", config.dropout);
    layers_.emplace_back(store, name, LinearConfig{sizes[i], sizes[i + 1]});
  }
}

Var Cnn::run_block(Run& run, const Block& block, Var x) const {
  x = block.conv(run, x);
  if (block.norm) x = (*block.norm)(run, x);
  x = relu(x);
  if (block.pool == 1) return x;
  const PoolSteps window{{block.pool, block.pool}, {block.pool, block.pool}};
  return config_.pooling == Pooling::kMax ? max_pool2d(x, window) : avg_pool2d(x, window);
}

Var Cnn::forward(Run& run, Var x) const {
  const Shape& shape = x.shape();
  const Shape image{config_.height, config_.width, config_.channels};
  if (shape.rank() != 4 || Shape(shape.extents().subspan(1)) != image) {
    throw ShapeError(fmt::format("cnn: needs images [n, {}, {}, {}], got {}", config_.height,
                                 config_.width, config_.channels, x.value().describe()));
  }
  for (const Block& block : blocks_) x = run_block(run, block, x);
  x = reshape(x, {x.shape()[0], features_});
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = dropouts_[i](run, x);
    x = layers_[i](run, x);
    if (i + 1 < layers_.size()) x = relu(x);
  }
  return x;
}

Parameters Cnn::parameters() const {
  Parameters all;
  for (const Block& block : blocks_) {
    block.conv.declare(all);
    if (block.norm) block.norm->declare(all);
  }
  for (const Linear& layer : layers_) layer.declare(all);
  return all;
}

std::vector<std::string> Cnn::sites() const {
  std::vector<std::string> names;
  for (const Linear& layer : layers_) names.push_back(layer.name());
  return names;
}

}  // namespace palinode::nn
