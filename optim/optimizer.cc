#include "optim/optimizer.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/error.h"

namespace palinode::optim {

Optimizer::Optimizer(std::string kind, const Store& state, const Store& target)
    : kind_(std::move(kind)), state_(&state), target_(&target) {
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

const Tensor& Optimizer::gradient(const Gradients& gradients, std::size_t entry) const {
  const Tensor* found = gradients.find(*target_, entry);
  if (found != nullptr) return *found;
  throw NameError(fmt::format("{}: no gradient for {}/{}", kind_, target_->name(),
                              target_->entries()[entry].name));
}

Tensor Optimizer::moment(const char* slot, const Entry& parameter) const {
  const std::string name = fmt::format("{}/{}", slot, parameter.name);
  return state_->contains(name) ? state_->at(name)
                                : Tensor::zeros(parameter.value.shape(), parameter.value.dtype());
}

Proposal Optimizer::start(Reason reason) const {
  const std::uint64_t step = steps() + 1;
  Proposal proposal{.reason = reason,
                    .proposer = fmt::format("{}.{}", kind_, target_->name()),
                    .step = step,
                    .finite_only = true};
  write_state(proposal, "step", Tensor::full<std::int32_t>({}, static_cast<std::int32_t>(step)));
  return proposal;
}

void Optimizer::write(Proposal& proposal, const Entry& parameter, Tensor value) const {
  proposal.writes.push_back({target_, parameter.name, std::move(value)});
}

void Optimizer::write_moment(Proposal& proposal, const char* slot, const Entry& parameter,
                             Tensor value) const {
  write_state(proposal, fmt::format("{}/{}", slot, parameter.name), std::move(value));
}

void Optimizer::write_state(Proposal& proposal, std::string name, Tensor value) const {
  const bool create = !state_->contains(name);
  proposal.writes.push_back({state_, std::move(name), std::move(value), create});
}

}  // namespace palinode::optim
