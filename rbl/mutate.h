// Mutations: proposals that change weights without learning anything.
#pragma once

#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::rbl {

// Unstructured mutation, theta' = theta + alpha * N(0, 1) (paper, section on mutation intensity).
// Element i of parameter p takes normal(i) of the stream p, so the noise can be regenerated from
// the seed alone. alpha * z and the sum are two rounded operations in the parameter's type.
Proposal noise(const Store& store, double alpha, const Rng& rng);

// The same noise subtracted: theta' - alpha * z. Not an exact inverse: (theta + d) - d rounds
// twice.
Proposal subtract_noise(const Store& store, double alpha, const Rng& rng);

}  // namespace palinode::rbl
