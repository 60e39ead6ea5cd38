// Mutations: proposals that change weights without learning anything. Those that learn are courses
// (course.h); merging a behavior is in merge.h.
#pragma once

#include <cstdint>

#include "rbl/quantize.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::rbl {

// Unstructured mutation, theta' = theta + alpha * N(0, 1) (paper, section on mutation intensity).
// Element i of parameter p takes normal(i) of the stream p, so the noise can be regenerated from
// the seed alone. alpha * z and the sum are two rounded operations in the parameter's type; a
// narrower storage rounds the result once more. Reason: noise.
Proposal noise(const Store& store, double alpha, const Rng& rng, Storage storage = Storage::kFull);

// The same noise subtracted: theta' - alpha * z. Not an exact inverse: (theta + d) - d rounds
// twice. Reason: subtract.
Proposal subtract_noise(const Store& store, double alpha, const Rng& rng,
                        Storage storage = Storage::kFull);

enum class PruneRule : std::uint8_t {
  kGlobal,     // the smallest magnitudes of all parameters together
  kPerTensor,  // the smallest magnitudes of each parameter by itself
  kRandom,     // of all parameters, drawn from a stream
};

// Sets round(fraction * n) of n elements to +0. Equal magnitudes go in the order of the store;
// NaN counts as the largest. Only parameters that change are written. Reason: prune. Throws Error
// for a fraction outside [0, 1].
Proposal prune(const Store& store, PruneRule rule, double fraction, const Rng& rng = Rng(0));

// Every parameter becomes what is left of it after a round trip through the storage. Reason:
// quantize. Throws as Packed does.
Proposal quantize(const Store& store, Storage storage);

}  // namespace palinode::rbl
