// What every divergence must satisfy, asserted where figures are written, and the noise floor: the
// divergence of a function from itself.
#pragma once

#include <cstddef>
#include <span>

#include "nn/run.h"
#include "rbl/metrics.h"

namespace palinode::rbl {

// Whether KL >= 0, 0 <= JS <= ln 2 + kJsSlack, and both 0 for equal outputs; for every input and
// for the mean. A result that fails is not a result, so `check_divergences` stops the program.
bool divergences_hold(const Divergence& kl, const Divergence& js, bool outputs_equal);
void check_divergences(const Divergence& kl, const Divergence& js, bool outputs_equal);

// The largest KL(f || f) over the probes when they go through the function in other batches and
// with other numbers of threads than at first (all at once, with the threads in use). 0 under the
// same-bits contract; what is above it is what a comparison of two functions cannot resolve.
//   probes [n, ...]
// Changes the number of threads and sets it back: not to be called inside of parallel work. Throws
// ShapeError for a batch of 0 or no probes.
double noise_floor(const nn::Model& function, const Tensor& probes,
                   std::span<const std::size_t> batches, std::span<const std::size_t> threads);

// The outputs for all probes, gathered from batches of at most `batch`.
Tensor evaluate_in_batches(const nn::Model& function, const Tensor& probes, std::size_t batch);

}  // namespace palinode::rbl
