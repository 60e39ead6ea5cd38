// A low-rank change of a product: out = y + (scale * (x a)) b, in one pass over a y that is there,
// or in the store of the product that y is.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/kernels/matmul.h"

namespace palinode::kernels {

// Ranks up to this one have kernels of their own here.
inline constexpr std::size_t kLowRank = 16;

// For T float or double: x [m, k], a [k, rank] and b [rank, n] with rank <= kLowRank and contiguous
// rows of a and b, y and out [m, n] and low [m, rank] row-major; low is disjoint from the rest, and
// out, which may be y. Any extent may be 0.
//   low = scale * (x a),  out = y + low b
// Both products are those of docs/arithmetic.md, section 2, complete before they are scaled and
// added: the bits are those of matmul, scale, matmul and add one after the other. Threads share
// out rows.
template <class T>
void low_rank_add(const MatrixView<T>& x, const MatrixView<T>& a, const MatrixView<T>& b, T scale,
                  std::span<const T> y, std::span<T> low, std::span<T> out);

// For T float or double: x [m, k] and weight [k, n] with any strides, bias [n] or empty for none, a
// and b as above, k and rank not 0, out [m, n] and low [m, rank] row-major and disjoint from the
// rest.
//   low = scale * (x a),  out = (x weight + bias) + low b
// The bits are those of matmul with its bias, matmul, scale, matmul and add one after the other.
template <class T>
void linear_low_rank(const MatrixView<T>& x, const MatrixView<T>& weight, std::span<const T> bias,
                     const MatrixView<T>& a, const MatrixView<T>& b, T scale, std::span<T> low,
                     std::span<T> out);

}  // namespace palinode::kernels
