// Mlp: linear layers with one activation between them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nn/linear.h"

namespace palinode::nn {

enum class Activation : std::uint8_t { kTanh, kRelu, kGelu };

struct MlpConfig {
  std::vector<std::size_t> sizes;  // input, hidden..., output; at least two
  Activation activation = Activation::kTanh;
};

// Layers are the sites "layer.0", "layer.1", ... of the store. Throws ShapeError for fewer than two
// sizes.
class Mlp : public Network {
 public:
  Mlp(const Store& store, const MlpConfig& config);

  Var forward(Run& run, Var x) const override;  // [rows, sizes.front()] -> [rows, sizes.back()]

  std::string_view kind() const override { return "mlp"; }
  Parameters parameters() const override;
  std::vector<std::string> sites() const override;
  const Store& store() const override { return *store_; }

 private:
  const Store* store_;
  Activation activation_;
  std::vector<Linear> layers_;
};

}  // namespace palinode::nn
