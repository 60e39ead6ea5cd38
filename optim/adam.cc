#include "optim/adam.h"

#include <cmath>

#include "tensor/kernels/update.h"

namespace palinode::optim {

Adam::Adam(const Store& state, const Store& target, const AdamConfig& config)
    : Adam("adam", state, target, config, 0.0) {}

Adam::Adam(const char* kind, const Store& state, const Store& target, const AdamConfig& config,
           double weight_decay)
    : Optimizer(kind, Reason::kAdam, state, target, config.lr, {"m", "v"}),
      config_(config),
      weight_decay_(weight_decay) {}

Rule Adam::rule(double lr, std::uint64_t step) const {
  return AdamRule{
      .beta1 = config_.beta1,
      .beta2 = config_.beta2,
      .a = lr / (1.0 - kernels::power(config_.beta1, step)),
      .r = 1.0 / std::sqrt(1.0 - kernels::power(config_.beta2, step)),
      .eps = config_.eps,
      .decay = lr * weight_decay_,
  };
}

AdamW::AdamW(const Store& state, const Store& target, const AdamWConfig& config)
    : Adam("adamw", state, target, config, config.weight_decay) {}

}  // namespace palinode::optim
