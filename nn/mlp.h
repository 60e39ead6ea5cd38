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
class Mlp : public Model {
 public:
  Mlp(const Store& store, const MlpConfig& config);

  Proposal init(const Rng& rng, Dtype dtype = Dtype::kF32) const;
  Var forward(Run& run, Var x) const override;  // [rows, sizes.front()] -> [rows, sizes.back()]

  std::vector<std::string> sites() const;
  const Store& store() const { return *store_; }

 private:
  const Store* store_;
  Activation activation_;
  std::vector<Linear> layers_;
};

}  // namespace palinode::nn
