// Mlp: linear layers with one activation between them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nn/activation.h"
#include "nn/linear.h"

namespace palinode::nn {

struct MlpConfig {
  std::vector<std::size_t> sizes;  // input, hidden..., output; at least two
  Activation activation = Activation::kTanh;
  Precision precision = Precision::kRounded;  // of the activation; f64 needs kRounded
};

// Layers are the sites "layer.0", "layer.1", ... of the store. Throws ShapeError for fewer than two
// sizes.
class Mlp : public Network {
 public:
  Mlp(const Store& store, const MlpConfig& config);

  // [rows, sizes.front()] -> [rows, sizes.back()]. Further axes of x are taken as one.
  Var forward(Run& run, Var x) const override;

  std::string_view kind() const override { return "mlp"; }
  Parameters parameters() const override;
  std::vector<std::string> sites() const override;
  const Store& store() const override { return *store_; }
  const MlpConfig& config() const { return config_; }

 private:
  const Store* store_;
  MlpConfig config_;
  std::vector<Linear> layers_;
};

}  // namespace palinode::nn
