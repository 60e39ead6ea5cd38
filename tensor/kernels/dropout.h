// Dropout by the words of a random stream (docs/arithmetic.md, section 8).
#pragma once

#include <cstdint>
#include <span>

#include "tensor/rng.h"

namespace palinode::kernels {

// out[i] = word(first + i) < threshold ? +0 : x[i] * scale, word(j) being that of the stream: each
// element by its own index, whatever the order. `first` is the place of x[0] in the whole that x
// may be a part of. `out` may be x, or be disjoint from it. T is float or double. Throws nothing;
// nothing is kept, for the gradient is the same function of dy.
template <class T>
void dropout(RngKey key, std::uint32_t threshold, T scale, std::span<const T> x, std::span<T> out,
             std::uint64_t first = 0);

// Words [4 * block, 4 * block + words.size()) of a stream, in any number.
void random_words(RngKey key, std::uint64_t block, std::span<std::uint32_t> words);

}  // namespace palinode::kernels
