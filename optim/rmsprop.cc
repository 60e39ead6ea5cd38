#include "optim/rmsprop.h"

namespace palinode::optim {
namespace {

std::vector<const char*> slots(const RmsPropConfig& config) {
  std::vector<const char*> names = {"s"};
  if (config.centered) names.push_back("m");
  if (config.momentum != 0.0) names.push_back("v");
  return names;
}

}  // namespace

RmsProp::RmsProp(const Store& state, const Store& target, const RmsPropConfig& config)
    : Optimizer("rmsprop", Reason::kRmsProp, state, target, config.lr, slots(config)),
      config_(config) {}

Rule RmsProp::rule(double lr, std::uint64_t) const {
  return RmsPropRule{.lr = lr,
                     .alpha = config_.alpha,
                     .eps = config_.eps,
                     .momentum = config_.momentum,
                     .weight_decay = config_.weight_decay,
                     .centered = config_.centered};
}

}  // namespace palinode::optim
