// Optimizers: from gradients to a proposal. They write nothing, not even their own moments.
#pragma once

#include <initializer_list>
#include <string>
#include <variant>

#include "autograd/tape.h"
#include "tensor/ledger.h"

namespace palinode::optim {

// State (moments, step counter) lives in a store with the role optimizer and is proposed like any
// other value, so a refused step leaves it as it was.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // A step for every parameter of the target store and its state. Throws NameError if a parameter
  // has no gradient, NonFiniteError (from commit) if a value would not be finite.
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
  Proposal start(Reason reason) const;  // with the step counter advanced
  // Adds one step by `rule` for every parameter of the target; the moments of parameter p are named
  // "<slot>/<p>". Throws NameError if a parameter has no gradient.
  void step_all(Proposal& proposal, const Gradients& gradients,
                const std::variant<SgdRule, AdamRule>& rule,
                std::initializer_list<const char*> slots) const;

 private:
  std::string kind_;
  const Store* state_;
  const Store* target_;
};

}  // namespace palinode::optim
