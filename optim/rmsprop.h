// RMSProp (Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012) as
// PyTorch has it: eps is added to the root. Centered: Graves, arXiv:1308.0850, equation 38 and
// following. The operation order is that of docs/arithmetic.md, section 7.
#pragma once

#include "optim/optimizer.h"

namespace palinode::optim {

struct RmsPropConfig {
  Schedule lr = 1e-2;
  double alpha = 0.99;  // how much of the mean square is kept
  double eps = 1e-8;
  double momentum = 0.0;
  double weight_decay = 0.0;
  bool centered = false;  // divides by the deviation of the gradient, not by its size
};

class RmsProp : public Optimizer {
 public:
  RmsProp(const Store& state, const Store& target, const RmsPropConfig& config);

 private:
  Rule rule(double lr, std::uint64_t step) const override;

  RmsPropConfig config_;
};

}  // namespace palinode::optim
