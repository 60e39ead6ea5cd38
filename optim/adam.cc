#include "optim/adam.h"

#include <cmath>
#include <utility>

#include "tensor/kernels/update.h"

namespace palinode::optim {

Adam::Adam(const Store& state, const Store& target, const AdamConfig& config)
    : Optimizer("adam", state, target), config_(config) {}

Proposal Adam::propose(const Gradients& gradients) const {
  Proposal proposal = start(Reason::kAdam);
  const double a = config_.lr / (1.0 - kernels::power(config_.beta1, proposal.step));
  const double r = std::sqrt(1.0 - kernels::power(config_.beta2, proposal.step));
  for (std::size_t i = 0; i < target().entries().size(); ++i) {
    const Entry& entry = target().entries()[i];
    const Tensor& g = gradient(gradients, i);
    with_float(entry.value.dtype(), "adam", [&]<class T>() {
      const kernels::AdamStep<T> step{static_cast<T>(config_.beta1),
                                      static_cast<T>(1.0 - config_.beta1),
                                      static_cast<T>(config_.beta2),
                                      static_cast<T>(1.0 - config_.beta2),
                                      static_cast<T>(a),
                                      static_cast<T>(r),
                                      static_cast<T>(config_.eps)};
      const Shape& shape = entry.value.shape();
      TensorBuilder w(shape, entry.value.dtype());
      TensorBuilder m(shape, entry.value.dtype());
      TensorBuilder v(shape, entry.value.dtype());
      kernels::adam<T>(step, g.values<T>(), entry.value.values<T>(), moment("m", entry).values<T>(),
                       moment("v", entry).values<T>(), w.values<T>(), m.values<T>(), v.values<T>());
      write(proposal, entry, std::move(w).build());
      write_moment(proposal, "m", entry, std::move(m).build());
      write_moment(proposal, "v", entry, std::move(v).build());
    });
  }
  return proposal;
}

}  // namespace palinode::optim
