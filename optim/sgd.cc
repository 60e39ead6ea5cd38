#include "optim/sgd.h"

#include "tensor/error.h"

namespace palinode::optim {
namespace {

std::vector<const char*> slots(const SgdConfig& config) {
  if (config.momentum == 0.0) return {};
  return {"v"};
}

}  // namespace

Sgd::Sgd(const Store& state, const Store& target, const SgdConfig& config)
    : Optimizer("sgd", Reason::kSgd, state, target, config.lr, slots(config)), config_(config) {
  if (config.nesterov && config.momentum == 0.0) throw Error("sgd: nesterov needs momentum");
}

Rule Sgd::rule(double lr, std::uint64_t) const {
  return SgdRule{lr, config_.momentum, config_.weight_decay, config_.nesterov};
}

}  // namespace palinode::optim
