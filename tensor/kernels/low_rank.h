// A low-rank change of a finished product: out = y + (scale * (x a)) b, in one pass over y.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/kernels/matmul.h"

namespace palinode::kernels {

// Ranks up to this one have kernels of their own here.
inline constexpr std::size_t kLowRank = 16;

// For T float or double: x [m, k], a [k, rank] and b [rank, n] with rank <= kLowRank and contiguous
// rows of a and b, y and out [m, n] and low [m, rank] row-major; out and low are disjoint from the
// rest. Any extent may be 0.
//   low = scale * (x a),  out = y + low b
// Both products are those of docs/arithmetic.md, section 2, complete before they are scaled and
// added: the bits are those of matmul, scale, matmul and add one after the other. Threads share
// out rows.
template <class T>
void low_rank_add(const MatrixView<T>& x, const MatrixView<T>& a, const MatrixView<T>& b, T scale,
                  std::span<const T> y, std::span<T> low, std::span<T> out);

}  // namespace palinode::kernels
