// The kernel of a low-rank change, filled in once for every SIMD target; private to it.
#pragma once

#include <cstddef>

namespace palinode::kernels {

// low = scale * (x a), out = y + low b for m rows. Element (i, p) of x is x[i * x_row + p * x_col];
// rows of a and b are contiguous and a_row and b_row apart, those of y and out n, of low rank.
template <class T>
struct LowRankProblem {
  const T* x;
  const T* a;
  const T* b;
  const T* y;
  T* low;
  T* out;
  std::size_t m, k, rank, n;
  std::size_t x_row, x_col, a_row, b_row;
  T scale;
};

template <class T>
struct LowRankTable {
  void (*run)(const LowRankProblem<T>& q);
};

}  // namespace palinode::kernels
