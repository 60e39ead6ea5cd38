#include "optim/sgd.h"

#include <utility>

#include "tensor/kernels/update.h"

namespace palinode::optim {

Sgd::Sgd(const Store& state, const Store& target, const SgdConfig& config)
    : Optimizer("sgd", state, target), config_(config) {}

Proposal Sgd::propose(const Gradients& gradients) const {
  Proposal proposal = start(Reason::kSgd);
  for (std::size_t i = 0; i < target().entries().size(); ++i) {
    const Entry& entry = target().entries()[i];
    const Tensor& g = gradient(gradients, i);
    with_float(entry.value.dtype(), "sgd", [&]<class T>() {
      const kernels::SgdStep<T> step{static_cast<T>(config_.lr), static_cast<T>(config_.momentum),
                                     static_cast<T>(config_.weight_decay)};
      TensorBuilder w(entry.value.shape(), entry.value.dtype());
      if (config_.momentum == 0.0) {
        kernels::sgd<T>(step, g.values<T>(), entry.value.values<T>(), w.values<T>());
      } else {
        TensorBuilder v(entry.value.shape(), entry.value.dtype());
        kernels::sgd_momentum<T>(step, g.values<T>(), entry.value.values<T>(),
                                 moment("v", entry).values<T>(), w.values<T>(), v.values<T>());
        write_moment(proposal, "v", entry, std::move(v).build());
      }
      write(proposal, entry, std::move(w).build());
    });
  }
  return proposal;
}

}  // namespace palinode::optim
