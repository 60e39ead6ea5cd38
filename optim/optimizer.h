// Optimizers: from gradients to a proposal. They write nothing, not even their own moments.
#pragma once

#include <string>

#include "autograd/tape.h"
#include "tensor/ledger.h"

namespace palinode::optim {

// State (moments, step counter) lives in a store with the role optimizer and is proposed like any
// other value, so a refused step leaves it as it was.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // New values for every parameter of the target store and for the state. Throws NameError if a
  // parameter has no gradient, NonFiniteError (from commit) if a value would not be finite.
  virtual Proposal propose(const Gradients& gradients) const = 0;

 protected:
  // Throws FrozenError if the target is frozen: an optimizer over a frozen store is a mistake, not
  // a no-op. Throws NameError unless the state store has the role optimizer.
  Optimizer(std::string kind, const Store& state, const Store& target);
  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

  const Store& target() const { return *target_; }
  // Steps taken so far, from the state store.
  std::uint64_t steps() const;
  // The gradient of the target's entry. Throws NameError if there is none.
  const Tensor& gradient(const Gradients& gradients, std::size_t entry) const;
  // The state named "<slot>/<parameter>": its value, zeros if it does not exist yet.
  Tensor moment(const char* slot, const Entry& parameter) const;

  Proposal start(Reason reason) const;  // with the step counter advanced
  void write(Proposal& proposal, const Entry& parameter, Tensor value) const;
  void write_moment(Proposal& proposal, const char* slot, const Entry& parameter,
                    Tensor value) const;

 private:
  void write_state(Proposal& proposal, std::string name, Tensor value) const;

  std::string kind_;
  const Store* state_;
  const Store* target_;
};

}  // namespace palinode::optim
