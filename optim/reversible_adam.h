// Adam that can be played backwards, bit for bit (reversible.h): an extension of Maclaurin,
// Duvenaud and Adams' descent with momentum, which has one moment, to the two of Kingma and Ba
// (arXiv:1412.6980, algorithm 1). Both decays are products with a ratio whose lost bits are kept;
// the move is a function of the moments after the step, which a step back has.
//
//   m <- b1 * m + (1 - b1) * g;   v <- b2 * v + (1 - b2) * g^2
//   w <- w - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
#pragma once

#include "optim/reversible.h"

namespace palinode::optim {

struct ReversibleAdamConfig {
  Schedule lr = 1e-3;
  Ratio beta1 = {9, 10};
  Ratio beta2 = {999, 1000};
  double eps = 1e-8;  // above 0
};

// Reason: adam. m is in units of 2^-40, below 2^12; v in units of 2^-58, below 2^4, and carries
// some 2^10 units of rounding: gradients much below 1e-6 take smaller steps than Adam's.
class ReversibleAdam : public Reversible {
 public:
  ReversibleAdam(const Store& state, const Store& target, const ReversibleAdamConfig& config);

 private:
  Reals part(std::size_t moment, std::span<const double> g) const override;
  Reals move(std::uint64_t step, std::span<const Reals> moments) const override;

  ReversibleAdamConfig config_;
  double beta1_, beta2_;
};

}  // namespace palinode::optim
