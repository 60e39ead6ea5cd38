#include "optim/sgd.h"

namespace palinode::optim {

Sgd::Sgd(const Store& state, const Store& target, const SgdConfig& config)
    : Optimizer("sgd", state, target), config_(config) {}

Proposal Sgd::propose(const Gradients& gradients) const {
  Proposal proposal = start(Reason::kSgd);
  const SgdRule rule{config_.lr, config_.momentum, config_.weight_decay};
  if (config_.momentum == 0.0) {
    step_all(proposal, gradients, rule, {});
  } else {
    step_all(proposal, gradients, rule, {"v"});
  }
  return proposal;
}

}  // namespace palinode::optim
