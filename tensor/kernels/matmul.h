// The matrix product (docs/arithmetic.md, section 2): fma chains over k in blocks of exactly 256.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::kernels {

// A matrix somewhere in `data`: element (i, j) is data[i * row_stride + j * col_stride]. A
// transpose swaps the extents and the strides.
template <class T>
struct MatrixView {
  std::span<const T> data;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t row_stride = 0;
  std::size_t col_stride = 0;
};

// c = a b (+ bias in every row), for T float or double: a [m, k], b [k, n], bias [n] or empty for
// none, c [m, n] row-major and disjoint from the rest. Any extent may be 0; with k = 0 the product
// is +0. Threads share out rows or columns of c.
template <class T>
void matmul(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias,
            std::span<T> c);

}  // namespace palinode::kernels
