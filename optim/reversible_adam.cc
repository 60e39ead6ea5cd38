#include "optim/reversible_adam.h"

#include <cmath>

#include "tensor/kernels/update.h"

namespace palinode::optim {
namespace {

double value_of(Ratio ratio) { return static_cast<double>(ratio.n) / static_cast<double>(ratio.d); }

}  // namespace

ReversibleAdam::ReversibleAdam(const Store& state, const Store& target,
                               const ReversibleAdamConfig& config)
    : Reversible(Reason::kAdam, state, target,
                 {{"m", config.beta1, kUnit, kLimit}, {"v", config.beta2, 0x1p-58, 0x1p62}}),
      config_(config),
      beta1_(value_of(config.beta1)),
      beta2_(value_of(config.beta2)) {
  if (!(config.eps > 0)) fail("eps is above 0");
}

Reversible::Reals ReversibleAdam::part(std::size_t moment, std::span<const double> g) const {
  Reals part;
  for (const double x : g) {
    part.push_back(moment == 0 ? (1.0 - beta1_) * x : ((1.0 - beta2_) * x) * x);
  }
  return part;
}

Reversible::Reals ReversibleAdam::move(std::uint64_t step, std::span<const Reals> moments) const {
  const double a = config_.lr.at(step - 1) / (1.0 - kernels::power(beta1_, step));
  const double r = 1.0 / std::sqrt(1.0 - kernels::power(beta2_, step));
  const Reals &m = moments[0], &v = moments[1];
  Reals moved;
  for (std::size_t k = 0; k < m.size(); ++k) {
    moved.push_back(a * (m[k] / (std::sqrt(v[k]) * r + config_.eps)));
  }
  return moved;
}

}  // namespace palinode::optim
