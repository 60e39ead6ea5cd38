// Optimizers that can be played backwards, bit for bit (Maclaurin, Duvenaud, Adams, "Gradient-based
// hyperparameter optimization through reversible learning", arXiv:1502.03492, section 3, for
// descent with momentum; the same construction holds for Adam, reversible_adam.h).
//
//   m <- mu * m + part(g) for each moment;   w <- w - move(moments),   mu = n / d
//
// Weight and moments are integers in small units, so additions are undone exactly; the product with
// mu loses about log2(d / n) bits an element, which are kept in a buffer of integers that grows
// with every step (docs/arithmetic.md, section 7). A step back needs the gradient at the weights
// before the step, which are therefore restored first:
//
//   ledger.commit(sgd.begin());                        // the weights move to the grid
//   ledger.commit(sgd.propose(gradients()));           // forward
//   ledger.commit(sgd.rewind_weights());               // back: the weights before the step,
//   ledger.commit(sgd.rewind_moments(gradients()));    // then, with their gradient, the moments
//
// Without momentum a step forgets its velocity whole, and the gradient that made it cannot be
// recomputed before the weights are known: reversing that is keeping a copy, so mu = 0 is refused.
//
// State: "step" and "rewound" (i32); for each parameter p "w/p" (f64) and for each moment m "m/p"
// (f64, or i32 [2, elements], low words first), the buffer's two low words "lost/p" (i32 [2,
// elements]; "lost.m/p" if there are more moments) and, pushed every few steps, "lost/K/p" (i32
// [elements]); "seal/p" and "seal/lost/K/p", the SHA-256 of what belongs together, by which a
// changed buffer is found before it is used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "optim/exact_ratio.h"
#include "optim/schedule.h"
#include "tensor/proposal.h"

namespace palinode::optim {

// Where begin() moves a weight: the nearest multiple of 2^-40 (which moves no f32 of 2^-17 or
// more). Throws Error for a value beyond 2^12.
Tensor on_grid(const Tensor& weights);

class Reversible {
 public:
  virtual ~Reversible() = default;

  // The first proposal: weights go to the grid, all moments and buffers are zero. Reason: init.
  // Throws Error if a weight is beyond 2^12.
  Proposal begin() const;

  // One step forward. Throws NameError if a parameter has no gradient; NonFiniteError for a
  // gradient that is not finite; StaleReadError for one of another value; Error for a value beyond
  // the range of its integer, a buffer or a weight that is not what the last step left (naming it),
  // and between the two halves of a step back.
  Proposal propose(const Gradients& gradients) const;

  // The two halves of a step back, in this order. Reason: restore. Throw as `propose`, and Error at
  // the first step.
  Proposal rewind_weights() const;
  Proposal rewind_moments(const Gradients& gradients) const;

  std::uint64_t steps() const;
  // The bits the buffers of all elements hold now.
  std::uint64_t lost_bits() const;

 protected:
  using Reals = std::vector<double>;

  struct Moment {
    std::string name;
    Ratio decay;
    double unit;   // a power of two
    double limit;  // below which its values stay, in units: at most 2^62
  };
  static constexpr double kUnit = 0x1p-40;  // of a weight
  static constexpr double kLimit = 0x1p52;  // in units, so that every integer is exact in f64

  // Throws as Optimizer does; Error for a ratio that is not 0 < n <= d <= 2^16.
  Reversible(Reason reason, const Store& state, const Store& target, std::vector<Moment> moments);
  Reversible(const Reversible&) = default;
  Reversible& operator=(const Reversible&) = default;

  // What gradients add to a moment.
  virtual Reals part(std::size_t moment, std::span<const double> g) const = 0;
  // How far step number `step` (the first is 1) takes the weights down, from each moment's values.
  virtual Reals move(std::uint64_t step, std::span<const Reals> moments) const = 0;
  [[noreturn]] static void fail(const std::string& what);

 private:
  struct Integers;
  Proposal start(Reason reason, std::uint64_t step, bool rewound) const;
  void check_phase(bool rewound) const;
  const Gradients::Item& gradient_of(const Gradients& gradients, std::size_t i) const;
  std::vector<std::vector<std::int64_t>> parts(const Gradients& gradients, std::size_t i) const;
  std::vector<std::int64_t> moved(std::uint64_t step, const Integers& values) const;
  Integers load(std::size_t i) const;
  void store(Proposal& proposal, std::size_t i, const Integers& values, bool rewound) const;
  void push_word(Proposal& proposal, std::size_t moment, const std::string& parameter,
                 Integers& values) const;
  void pop_word(Proposal& proposal, std::size_t moment, const std::string& parameter,
                Integers& values) const;
  std::string lost_name(std::size_t moment) const;
  std::string word_name(std::size_t moment, std::uint64_t word, const std::string& parameter) const;
  void put(Proposal& proposal, std::string name, Tensor value) const;

  Reason reason_;
  const Store* state_;
  const Store* target_;
  std::vector<Moment> moments_;
  std::vector<std::uint64_t> intervals_;  // of each moment: steps from one pushed word to the next
};

struct ReversibleConfig {
  Schedule lr = 1e-2;
  Ratio momentum = {9, 10};
};

// v <- mu * v + g;   w <- w - lr * v. Reason: sgd.
class ReversibleSgd : public Reversible {
 public:
  ReversibleSgd(const Store& state, const Store& target, const ReversibleConfig& config);

 private:
  Reals part(std::size_t moment, std::span<const double> g) const override;
  Reals move(std::uint64_t step, std::span<const Reals> moments) const override;

  Schedule lr_;
};

}  // namespace palinode::optim
