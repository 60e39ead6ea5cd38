// Conv2d: a two-dimensional convolution (cross-correlation), channels last.
#pragma once

#include <cstddef>
#include <string>

#include "nn/network.h"

namespace palinode::nn {

struct Conv2dConfig {
  std::size_t in = 0;  // channels
  std::size_t out = 0;
  std::size_t kernel = 3;  // rows and columns of the square kernel
  ConvSteps steps = {};
};

// Reads `name.weight` [kernel, kernel, in, out] and `name.bias` [out]; both start uniform in
// (-1/sqrt(n), 1/sqrt(n)), n = kernel * kernel * in, as in PyTorch.
class Conv2d {
 public:
  Conv2d(const Store& store, std::string name, const Conv2dConfig& config);

  // x [n, h, w, in] -> [n, h_out, w_out, out]. A behavior may enter at the site `name`.
  Var operator()(Run& run, Var x) const;
  void declare(Parameters& parameters) const;

 private:
  const Store* store_;
  std::string name_, weight_, bias_;
  Conv2dConfig config_;
};

}  // namespace palinode::nn
