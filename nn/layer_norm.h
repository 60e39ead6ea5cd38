// LayerNorm: each row to mean 0 and variance 1, times gamma, plus beta (Ba, Kiros, Hinton,
// arXiv:1607.06450).
#pragma once

#include <cstddef>
#include <string>

#include "nn/network.h"

namespace palinode::nn {

// Reads `name.weight` (gamma) and `name.bias` (beta), both [width].
class LayerNorm {
 public:
  LayerNorm(const Store& store, const std::string& name, std::size_t width, double eps = 1e-5);

  Var operator()(Run& run, Var x) const;  // [..., width] -> [..., width]
  void declare(Parameters& parameters) const;

 private:
  const Store* store_;
  std::string weight_, bias_;
  std::size_t width_;
  double eps_;
};

}  // namespace palinode::nn
