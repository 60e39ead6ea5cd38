// Linear: y = x W + b.
#pragma once

#include <cstddef>
#include <string>

#include "nn/run.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::nn {

struct LinearSize {
  std::size_t in = 0;
  std::size_t out = 0;
};

// Reads `name.weight` [in, out] and `name.bias` [out] from its store. Holds no values of its own.
class Linear {
 public:
  Linear(const Store& store, std::string name, LinearSize size);

  // Adds the first values to a proposal: both uniform in (-1/sqrt(in), 1/sqrt(in)), element i of
  // parameter p from index i of the stream p (He et al. 2015 with a = sqrt(5), as in PyTorch).
  void init(Proposal& proposal, const Rng& rng, Dtype dtype) const;

  // x [rows, in] -> [rows, out]. A behavior may enter at the site `name`.
  Var operator()(Run& run, Var x) const;

  const std::string& name() const { return name_; }

 private:
  const Store* store_;
  std::string name_, weight_, bias_;
  LinearSize size_;
};

}  // namespace palinode::nn
