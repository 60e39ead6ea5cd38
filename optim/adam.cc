#include "optim/adam.h"

#include <cmath>

#include "tensor/kernels/update.h"

namespace palinode::optim {

Adam::Adam(const Store& state, const Store& target, const AdamConfig& config)
    : Adam("adam", state, target, config, 0.0) {}

Adam::Adam(const char* kind, const Store& state, const Store& target, const AdamConfig& config,
           double weight_decay)
    : Optimizer(kind, state, target), config_(config), weight_decay_(weight_decay) {}

Proposal Adam::propose(const Gradients& gradients) const {
  Proposal proposal = start(Reason::kAdam);
  const AdamRule rule{
      .beta1 = config_.beta1,
      .beta2 = config_.beta2,
      .a = config_.lr / (1.0 - kernels::power(config_.beta1, proposal.step)),
      .r = std::sqrt(1.0 - kernels::power(config_.beta2, proposal.step)),
      .eps = config_.eps,
      .decay = config_.lr * weight_decay_,
  };
  step_all(proposal, gradients, rule, {"m", "v"});
  return proposal;
}

AdamW::AdamW(const Store& state, const Store& target, const AdamWConfig& config)
    : Adam("adamw", state, target, config, config.weight_decay) {}

}  // namespace palinode::optim
