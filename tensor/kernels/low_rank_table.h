// The kernels of a low-rank change, filled in once for every SIMD target; private to it.
#pragma once

#include <cstddef>

#include "tensor/kernels/tables.h"

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

// What is added to a product c = a b (+ bias) that is complete: low up, with low = scale * (a
// down). Rows of down [k, rank] and up [rank, n] are contiguous and down_row and up_row apart.
template <class T>
struct LowRankChange {
  const T* down;
  const T* up;
  T* low;  // [m, rank]
  std::size_t rank, down_row, up_row;
  T scale;
  bool ready;    // low is there already
  T* panel;      // scratch for a panel of down,
  T* up_packed;  // and for some columns of up, in panels
};

struct NoChange {};
template <class Change>
inline constexpr bool kChanges = true;
template <>
inline constexpr bool kChanges<NoChange> = false;

template <class T>
struct LinearLowRankTable {
  // `scratch` holds scratch_size(q, change.rank) values, 64-byte aligned; the change needs none of
  // its own.
  void (*run)(const MatMulProblem<T>& q, LowRankChange<T> change, T* scratch);
  std::size_t (*scratch_size)(const MatMulProblem<T>& q, std::size_t rank);
  std::size_t tile_cols;
  std::size_t few_rows;  // up to so many, a product has no tiles
};

}  // namespace palinode::kernels
