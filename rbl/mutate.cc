#include "rbl/mutate.h"

#include "autograd/op_spec.h"
#include "tensor/kernels/update.h"

namespace palinode::rbl {
namespace {

Proposal with_noise(const Store& store, double alpha, const Rng& rng, Reason reason) {
  Proposal proposal{.reason = reason, .proposer = "noise", .seed = rng.seed()};
  for (const Entry& entry : store.entries()) {
    const Tensor z = rng.stream(entry.name).normal(entry.value.shape(), entry.value.dtype());
    const Tensor value = with_float(entry.value.dtype(), "noise", [&]<class T>() {
      return filled<T>(entry.value.shape(), [&](std::span<T> out) {
        kernels::axpy<T>(static_cast<T>(alpha), z.values<T>(), entry.value.values<T>(), out);
      });
    });
    proposal.writes.push_back({&store, entry.name, value});
  }
  return proposal;
}

}  // namespace

Proposal noise(const Store& store, double alpha, const Rng& rng) {
  return with_noise(store, alpha, rng, Reason::kNoise);
}

Proposal subtract_noise(const Store& store, double alpha, const Rng& rng) {
  return with_noise(store, -alpha, rng, Reason::kSubtract);
}

}  // namespace palinode::rbl
