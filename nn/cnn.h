// Cnn: convolution blocks, then linear layers; channels last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/linear.h"

namespace palinode::nn {

enum class Pooling : std::uint8_t { kMax, kAverage };

// A convolution that keeps rows and columns (stride 1, padding kernel / 2), BatchNorm if the model
// has it, relu, and pooling over windows of pool x pool side by side; 1 for none.
struct ConvBlock {
  std::size_t channels = 0;
  std::size_t kernel = 3;  // odd
  std::size_t pool = 1;
};

struct CnnConfig {
  std::size_t height = 28, width = 28, channels = 1;  // of an image
  std::vector<ConvBlock> blocks = {{16, 3, 1}, {16, 3, 2}, {32, 3, 1}, {32, 3, 2}};
  std::vector<std::size_t> hidden = {128};  // linear layers with relu
  std::size_t classes = 10;
  Pooling pooling = Pooling::kMax;
  bool batch_norm = false;
  double dropout = 0;  // before each linear layer
};

// Reads block.<i>.conv, block.<i>.norm and layer.<i> from its store, and the statistics of
// block.<i>.norm from `buffers`, which only a model with batch_norm needs. Throws ShapeError for a
// configuration that leaves nothing of an image, NameError for missing buffers.
class Cnn : public Network {
 public:
  Cnn(const Store& store, const CnnConfig& config) : Cnn(store, nullptr, config) {}
  Cnn(const Store& store, const Store& buffers, const CnnConfig& config)
      : Cnn(store, &buffers, config) {}

  Var forward(Run& run, Var x) const override;  // [n, height, width, channels] -> [n, classes]

  std::string_view kind() const override { return "cnn"; }
  Parameters parameters() const override;
  std::vector<std::string> sites() const override;  // the linear layers
  const Store& store() const override { return *store_; }
  const Store* buffers() const override { return buffers_; }
  const CnnConfig& config() const { return config_; }

 private:
  struct Block {
    Conv2d conv;
    std::optional<BatchNorm> norm;
    std::size_t pool;
  };

  Cnn(const Store& store, const Store* buffers, const CnnConfig& config);
  Var run_block(Run& run, const Block& block, Var x) const;

  const Store* store_;
  const Store* buffers_;
  CnnConfig config_;
  std::vector<Block> blocks_;
  std::vector<Linear> layers_;
  std::vector<Dropout> dropouts_;
  std::size_t features_ = 0;  // numbers of an image after the blocks
};

}  // namespace palinode::nn
