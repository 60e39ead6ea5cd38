// The parts of the determinism program. Each computes something from fixed seeds and returns a
// SHA-256 over all its results, which no thread count, SIMD target, compiler or optimization level
// may change.
#pragma once

#include <cstdint>

#include "tensor/digest.h"

namespace palinode::matrix {

// Trains for `steps` steps with Adam through a ledger at the level `digest`. The digest covers the
// loss of every step, the final weights, the optimizer's state and the head of the ledger.
Sha256Digest train_mlp(std::uint64_t steps);        // a classifier in f32, and a shorter one in f64
Sha256Digest train_attention(std::uint64_t steps);  // a pre-norm attention block, in f32
Sha256Digest train_cnn(std::uint64_t steps);        // with batch normalization and dropout
Sha256Digest train_gpt(std::uint64_t steps);        // with a tied head, dropout, checkpointing
Sha256Digest train_llama(std::uint64_t steps);      // with rotary positions and grouped queries

// Kernels on arrays long enough to be split over seven threads, on ordinary values and on random
// bit patterns (subnormals, infinities, NaNs), in f32 and f64.
Sha256Digest run_kernels();

}  // namespace palinode::matrix
