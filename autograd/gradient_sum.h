// GradientSum: the gradients of several micro-batches as those of one large batch.
//
//   GradientSum sum;
//   for (const Batch& each : micro_batches) sum.add(backward(loss_of(each)));
//   ledger.commit(adam.propose(sum.mean()));
#pragma once

#include <cstddef>
#include <span>

#include "autograd/tape.h"

namespace palinode {

// Adds in the order of the calls, each parameter's gradients from left to right
// (docs/arithmetic.md, section 5). A parameter that a loss does not depend on takes nothing from
// it.
class GradientSum {
 public:
  // Throws StaleReadError, and adds nothing, if a parameter was written since the gradients before
  // were taken: they would be of different values.
  void add(const Gradients& gradients);
  // Gradients that were computed elsewhere, of the same parameters as `like`: a value for each of
  // its items, in their order. Throws ShapeError, and adds nothing, unless the values have the
  // shapes and types of the items.
  void add(const Gradients& like, std::span<const Tensor> values);

  std::size_t count() const { return count_; }  // micro-batches so far
  // The sum times 1 / count(), of one micro-batch its own gradients; throws Error if there is none.
  Gradients mean() const;

 private:
  Gradients sum_;
  std::size_t count_ = 0;
};

}  // namespace palinode
