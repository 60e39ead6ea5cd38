// Tasks of labelled examples: batches from a permutation of them.
#pragma once

#include <string>

#include "experiments/subjects/identity.h"

namespace palinode::experiments {

Task labelled_task(std::string name, Labelled train, Labelled held_out);

// The examples with every label y as (y + by) mod classes.
Labelled with_labels_moved(const Labelled& examples, std::size_t by, std::size_t classes);

// f32 [2 * half, ...]: the first `half` training inputs, then as many held-out ones.
Tensor probes_of(const Labelled& train, const Labelled& held_out, std::size_t half);

// Uniform inputs in [low, high) of the shape of one row of `like`, from a stream.
Tensor random_inputs(const Tensor& like, std::size_t rows, double low, double high,
                     const Rng& stream);

}  // namespace palinode::experiments
