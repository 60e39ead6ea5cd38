// Gradient descent with momentum that can be played backwards, bit for bit (Maclaurin, Duvenaud,
// Adams, "Gradient-based hyperparameter optimization through reversible learning",
// arXiv:1502.03492, section 3).
//
//   v <- mu * v + g;   w <- w - lr * v,   mu = n / d
//
// Weight and velocity are integers in units of 2^-40, so additions are undone exactly; the product
// with mu loses about log2(d / n) bits an element, which are kept in a buffer of integers that
// grows with every step (docs/arithmetic.md, section 7). A step back needs the gradient at the
// weights before the step, which are therefore restored first:
//
//   ledger.commit(sgd.begin());                        // the weights move to the grid
//   ledger.commit(sgd.propose(gradients()));           // forward
//   ledger.commit(sgd.rewind_weights());               // back: the weights before the step,
//   ledger.commit(sgd.rewind_velocity(gradients()));   // then, with their gradient, the velocity
//
// Without momentum a step forgets its velocity whole, and the gradient that made it cannot be
// recomputed before the weights are known: reversing that is keeping a copy, so mu = 0 is refused.
//
// State: "step" and "rewound" (i32); for each parameter p "w/p" and "v/p" (f64), the buffer's two
// low words "lost/p" (i32 [2, elements]) and, pushed every few steps, "lost/K/p" (i32 [elements]);
// "seal/p" and "seal/K/p", the SHA-256 of what belongs together, by which a changed buffer is found
// before it is used.
#pragma once

#include <cstdint>
#include <string>

#include "autograd/tape.h"
#include "optim/exact_ratio.h"
#include "optim/schedule.h"
#include "tensor/proposal.h"

namespace palinode::optim {

struct ReversibleConfig {
  Schedule lr = 1e-2;
  Ratio momentum = {9, 10};
};

class ReversibleSgd {
 public:
  // Throws as Optimizer does; Error for a ratio that is not 0 < n <= d <= 2^16.
  ReversibleSgd(const Store& state, const Store& target, const ReversibleConfig& config);

  // The first proposal: each weight goes to the nearest multiple of 2^-40 (which moves no f32 of
  // 2^-17 or more), all velocities and buffers are zero. Reason: init. Throws Error if a weight is
  // beyond 2^12.
  Proposal begin() const;

  // One step forward. Reason: sgd. Throws NameError if a parameter has no gradient; NonFiniteError
  // for a gradient that is not finite; StaleReadError for one of another value; Error for a value
  // beyond 2^12, a buffer or a weight that is not what the last step left (naming it), and between
  // the two halves of a step back.
  Proposal propose(const Gradients& gradients) const;

  // The two halves of a step back, in this order. Reason: restore. Throw as `propose`, and Error at
  // the first step.
  Proposal rewind_weights() const;
  Proposal rewind_velocity(const Gradients& gradients) const;

  std::uint64_t steps() const;
  // The bits the buffers of all elements hold now.
  std::uint64_t lost_bits() const;

 private:
  struct Integers;
  Proposal start(Reason reason, std::uint64_t step, bool rewound) const;
  void check_phase(bool rewound) const;
  const Gradients::Item& gradient_of(const Gradients& gradients, std::size_t i) const;
  Integers load(std::size_t i) const;
  void store(Proposal& proposal, std::size_t i, const Integers& values, bool rewound) const;
  void push_word(Proposal& proposal, const std::string& name, Integers& values) const;
  void pop_word(Proposal& proposal, const std::string& name, Integers& values) const;
  std::uint64_t pushes(std::uint64_t steps) const { return steps / interval_; }
  void put(Proposal& proposal, std::string name, Tensor value) const;
  [[noreturn]] void fail(const std::string& what) const;

  const Store* state_;
  const Store* target_;
  ReversibleConfig config_;
  std::uint64_t interval_;  // steps from one pushed word to the next
};

}  // namespace palinode::optim
