#include "optim/optimizer.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/error.h"

namespace palinode::optim {

Optimizer::Optimizer(std::string kind, Reason reason, const Store& state, const Store& target,
                     const Schedule& lr, std::vector<const char*> slots)
    : kind_(std::move(kind)),
      proposer_(fmt::format("{}.{}", kind_, target.name())),
      reason_(reason),
      state_(&state),
      target_(&target),
      lr_(lr),
      slots_(std::move(slots)) {
  if (target.frozen()) {
    throw FrozenError(
        fmt::format("{}: {} is frozen since write {}; an optimizer cannot be built over it", kind_,
                    target.name(), target.frozen_since()));
  }
  if (state.role() != Role::kOptimizer) {
    throw NameError(
        fmt::format("{}: its state needs a store with the role optimizer, {} has the role {}",
                    kind_, state.name(), role_name(state.role())));
  }
}

std::uint64_t Optimizer::steps() const {
  return state_->contains("step") ? static_cast<std::uint64_t>(state_->at("step").item()) : 0;
}

Proposal Optimizer::propose(const Gradients& gradients, const StepOptions& options) const {
  const std::uint64_t step = steps() + 1;
  Proposal proposal{.reason = reason_, .proposer = proposer_, .step = step, .finite_only = true};
  proposal.writes.push_back({state_, "step",
                             Tensor::full<std::int32_t>({}, static_cast<std::int32_t>(step)),
                             !state_->contains("step")});
  proposal.steps.reserve(target_->entries().size());
  const Rule chosen = rule(lr(), step);
  for (std::size_t i = 0; i < target_->entries().size(); ++i) {
    const std::string& name = target_->entries()[i].name;
    const Gradients::Item* gradient = gradients.find_item(*target_, i);
    if (gradient == nullptr) {
      throw NameError(fmt::format("{}: no gradient for {}/{}", kind_, target_->name(), name));
    }
    Step each{.store = target_,
              .entry = i,
              .gradient = gradient->value,
              .state = state_,
              .rule = chosen,
              .scale = options.scale,
              .limit = options.clip_value,
              .read = gradient->written};
    for (const char* slot : slots_) {
      PoolString moment(slot);
      moment.append("/").append(name);
      each.moments.push_back(std::move(moment));
    }
    proposal.steps.push_back(std::move(each));
  }
  return proposal;
}

}  // namespace palinode::optim
