// Linear: y = x W + b, or x W.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "nn/network.h"

namespace palinode::nn {

struct LinearConfig {
  std::size_t in = 0;
  std::size_t out = 0;
  bool bias = true;
  // Both uniform_fan_in(in) if not given, as in PyTorch.
  std::optional<Init> weight_init = {};
  std::optional<Init> bias_init = {};
};

// Reads `name.weight` [in, out] and `name.bias` [out] from its store. Holds no values of its own.
class Linear {
 public:
  Linear(const Store& store, std::string name, const LinearConfig& config);

  // x [rows, in] -> [rows, out]. A behavior may enter at the site `name`.
  Var operator()(Run& run, Var x) const;

  void declare(Parameters& parameters) const;
  void init(Proposal& proposal, const Rng& rng, Dtype dtype) const;
  const std::string& name() const { return name_; }

 private:
  const Store* store_;
  std::string name_, weight_, bias_;
  LinearConfig config_;
};

}  // namespace palinode::nn
