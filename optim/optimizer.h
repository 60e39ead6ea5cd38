// Optimizers: from gradients to a proposal. They write nothing, not even their own moments.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "optim/schedule.h"
#include "tensor/ledger.h"

namespace palinode::optim {

// What becomes of every gradient before the rule sees it, at no cost of a pass of its own
// (docs/arithmetic.md, section 7).
struct StepOptions {
  double scale = 1;  // multiplies each element, rounded once: clip_factor (clip.h), 1 / loss scale
  // Clipping by value: then limits each element to [-clip_value, clip_value].
  double clip_value = std::numeric_limits<double>::infinity();
};

// State (moments, step counter) lives in a store with the role optimizer and is proposed like any
// other value, so a refused step leaves it as it was.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // A step for every parameter of the target store and its state. Throws NameError if a parameter
  // has no gradient. commit refuses the proposal with NonFiniteError, and changes nothing, if a
  // gradient or a new value is not finite; with StaleReadError if a parameter has been written
  // since its gradient's value was read.
  Proposal propose(const Gradients& gradients, const StepOptions& options = {}) const;

  // Steps taken so far, from the state store.
  std::uint64_t steps() const;
  // The learning rate of the next step.
  double lr() const { return lr_.at(steps()); }

 protected:
  // The moments of parameter p are named "<slot>/<p>". Throws FrozenError if the target is frozen:
  // an optimizer over a frozen store is a mistake, not a no-op. Throws NameError unless the state
  // store has the role optimizer.
  Optimizer(std::string kind, Reason reason, const Store& state, const Store& target,
            const Schedule& lr, std::vector<const char*> slots);
  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

  // The rule of step number `step` (the first is 1).
  virtual Rule rule(double lr, std::uint64_t step) const = 0;

 private:
  std::string kind_, proposer_;
  Reason reason_;
  const Store* state_;
  const Store* target_;
  Schedule lr_;
  std::vector<const char*> slots_;
};

}  // namespace palinode::optim
