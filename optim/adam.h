// Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1), in the operation order of docs/arithmetic.md,
// section 7.
#pragma once

#include "optim/optimizer.h"

namespace palinode::optim {

struct AdamConfig {
  Schedule lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

class Adam : public Optimizer {
 public:
  Adam(const Store& state, const Store& target, const AdamConfig& config);

 protected:
  Adam(const char* kind, const Store& state, const Store& target, const AdamConfig& config,
       double weight_decay);

 private:
  Rule rule(double lr, std::uint64_t step) const override;

  AdamConfig config_;
  double weight_decay_;
};

struct AdamWConfig : AdamConfig {
  double weight_decay = 1e-2;
};

// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101): the weight shrinks by
// lr * weight_decay of itself, untouched by the moments.
class AdamW : public Adam {
 public:
  AdamW(const Store& state, const Store& target, const AdamWConfig& config);
};

}  // namespace palinode::optim
