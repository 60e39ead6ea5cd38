// A penalty that holds weights near where they were, for use during an adaptation.
//
//   (lambda / 2) * sum F (theta - theta0)^2
//
// F = 1: L2-SP (Li, Grandvalet, Davoine, arXiv:1802.01483, eq. 2); F the diagonal of the Fisher
// information: elastic weight consolidation (Kirkpatrick et al., arXiv:1612.00796, eq. 3).
#pragma once

#include <cstdint>
#include <vector>

#include "rbl/course.h"
#include "tensor/store.h"

namespace palinode::rbl {

class Anchor {
 public:
  // theta0 is what the store holds now. `fisher` has a tensor for each parameter, or none for
  // L2-SP. Throws ShapeError if they do not fit.
  Anchor(const Store& theta, double lambda, std::vector<Tensor> fisher = {});

  // The penalty of `theta`, on the tape: it has a gradient like any other loss.
  Var penalty(Tape& tape, const Store& theta) const;
  // loss + penalty. The anchor must outlive what it returns.
  Loss hold(const Loss& loss, const Store& theta) const;

  double lambda() const { return lambda_; }
  bool weighted() const { return !fisher_.empty(); }
  std::uint64_t bytes() const;  // of theta0 and of the Fisher information

 private:
  double lambda_;
  std::vector<Tensor> origin_;
  std::vector<Tensor> fisher_;
};

// The mean over the first `examples` steps of `log_likelihood` of its gradient squared: with one
// example a step, the empirical Fisher information's diagonal.
std::vector<Tensor> fisher_diagonal(const Store& theta, const nn::Model& function,
                                    const Loss& log_likelihood, std::uint64_t examples);

}  // namespace palinode::rbl
