// What the machine and Highway can do on the SIMD target in use, free of our fixed orders: the
// limits and rivals of the kernels. Spans of one call have the same length.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::bench {

// `steps` fused multiply-adds in each lane of twelve independent vectors. Returns how many
// floating-point operations that were.
double fma_f32(std::size_t steps);
double fma_f64(std::size_t steps);

// Reads everything: a sum in any order, in eight vectors.
float plain_sum(std::span<const float> x);
float plain_max(std::span<const float> x);

// Reads x and writes out.
void plain_copy(std::span<const float> x, std::span<float> out);

// exp(x - max) / sum over one row, with Highway's exp and sums in any order.
void highway_softmax(std::span<const float> x, std::span<float> out);

}  // namespace palinode::bench
