// RMSNorm: each row divided by the root of the mean of its squares, times gamma (Zhang and
// Sennrich, arXiv:1910.07467).
#pragma once

#include <cstddef>
#include <string>

#include "nn/network.h"

namespace palinode::nn {

// Reads `name.weight` (gamma) [width].
class RmsNorm {
 public:
  RmsNorm(const Store& store, const std::string& name, std::size_t width, double eps = 1e-5);

  Var operator()(Run& run, Var x) const;  // [..., width] -> [..., width]
  void declare(Parameters& parameters) const;

 private:
  const Store* store_;
  std::string weight_;
  std::size_t width_;
  double eps_;
};

}  // namespace palinode::nn
