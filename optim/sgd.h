// Stochastic gradient descent, with or without momentum (docs/arithmetic.md, section 7).
//   v <- momentum * v + g;   w <- w - lr * v          (Polyak 1964; v = g without momentum)
// with Nesterov's look ahead, in the form of Sutskever et al. (2013) that PyTorch uses,
//                            w <- w - lr * (g + momentum * v)
#pragma once

#include "optim/optimizer.h"

namespace palinode::optim {

struct SgdConfig {
  Schedule lr = 1e-2;
  double momentum = 0.0;
  double weight_decay = 0.0;
  bool nesterov = false;  // needs momentum
};

class Sgd : public Optimizer {
 public:
  // Throws as Optimizer does, and Error for nesterov without momentum.
  Sgd(const Store& state, const Store& target, const SgdConfig& config);

 private:
  Rule rule(double lr, std::uint64_t step) const override;

  SgdConfig config_;
};

}  // namespace palinode::optim
