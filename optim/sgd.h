// Stochastic gradient descent, with or without momentum (docs/arithmetic.md, section 7).
//   v <- momentum * v + g;   w <- w - lr * v          (Polyak 1964; v = g without momentum)
#pragma once

#include "optim/optimizer.h"

namespace palinode::optim {

struct SgdConfig {
  double lr = 1e-2;
  double momentum = 0.0;
  double weight_decay = 0.0;
};

class Sgd : public Optimizer {
 public:
  Sgd(const Store& state, const Store& target, const SgdConfig& config);
  Proposal propose(const Gradients& gradients) const override;

 private:
  SgdConfig config_;
};

}  // namespace palinode::optim
