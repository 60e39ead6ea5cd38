// Mlp: linear layers, between them BatchNorm if the model has it and one activation.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nn/activation.h"
#include "nn/batch_norm.h"
#include "nn/linear.h"

namespace palinode::nn {

struct MlpConfig {
  std::vector<std::size_t> sizes;  // input, hidden..., output; at least two
  Activation activation = Activation::kTanh;
  Precision precision = Precision::kRounded;  // of the activation; f64 needs kRounded
  bool batch_norm = false;                    // after each layer but the last
};

// Reads layer.<i> and norm.<i> from its store, and the statistics of norm.<i> from `buffers`, which
// only a model with batch_norm needs. Throws ShapeError for fewer than two sizes, NameError for
// missing buffers.
class Mlp : public Network {
 public:
  Mlp(const Store& store, const MlpConfig& config) : Mlp(store, nullptr, config) {}
  Mlp(const Store& store, const Store& buffers, const MlpConfig& config)
      : Mlp(store, &buffers, config) {}

  // [rows, sizes.front()] -> [rows, sizes.back()]. Further axes of x are taken as one.
  Var forward(Run& run, Var x) const override;

  std::string_view kind() const override { return "mlp"; }
  Parameters parameters() const override;
  std::vector<std::string> sites() const override;  // the linear layers
  const Store& store() const override { return *store_; }
  const Store* buffers() const override { return buffers_; }
  const MlpConfig& config() const { return config_; }

 private:
  Mlp(const Store& store, const Store* buffers, const MlpConfig& config);

  const Store* store_;
  const Store* buffers_;
  MlpConfig config_;
  std::vector<Linear> layers_;
  std::vector<BatchNorm> norms_;  // none without batch_norm
};

}  // namespace palinode::nn
