// The matrix product when a has few rows: b is streamed from end to end, once, and the chains wait
// in the first-level cache (docs/arithmetic.md, section 2: the same chains).

#if defined(PALINODE_TENSOR_KERNELS_FEW_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_FEW_ROWS_INL_H_
#undef PALINODE_TENSOR_KERNELS_FEW_ROWS_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_FEW_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/tables.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kFewRows = 4;
inline constexpr std::size_t kFewRowsCols = 1024;  // chains a row keeps at once

// Continues the chains of kRows x cols outputs by the steps [p, p + kSteps) of k. `sums` holds
// kRows rows of kFewRowsCols chains; b points to the first column wanted.
template <std::size_t kRows, std::size_t kSteps, class T>
HWY_INLINE void continue_chains(const MatMulProblem<T>& q, const T* b, std::size_t cols,
                                std::size_t p, T* sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<hn::ScalableTag<T>>;
  V factors[kRows][kSteps];
  HWY_UNROLL(4)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (std::size_t s = 0; s < kSteps; ++s) {
      factors[i][s] = hn::Set(d, q.a[i * q.a_row + (p + s) * q.a_col]);
    }
  }
  for_each_vector(d, cols, [&](auto access, std::size_t j) HWY_ATTR {
    V row[kSteps];
    HWY_UNROLL(4)
    for (std::size_t s = 0; s < kSteps; ++s) row[s] = access.load(d, b + (p + s) * q.b_row + j);
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kRows; ++i) {
      V sum = hn::Load(d, sums + i * kFewRowsCols + j);
      HWY_UNROLL(4)
      for (std::size_t s = 0; s < kSteps; ++s) sum = Fma(d, factors[i][s], row[s], sum);
      hn::Store(sum, d, sums + i * kFewRowsCols + j);
    }
  });
}

// All of a product with kRows rows and contiguous rows of b.
template <std::size_t kRows, class T>
void run_few_rows(const MatMulProblem<T>& q) {
  constexpr std::size_t kSteps = 4;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  HWY_ALIGN T sums[kRows * kFewRowsCols];
  for (std::size_t j = 0; j < q.n; j += kFewRowsCols) {
    const std::size_t cols = std::min(kFewRowsCols, q.n - j);
    for (std::size_t block = 0; block < q.k; block += kBlock) {
      const std::size_t end = std::min(q.k, block + kBlock);
      for (std::size_t i = 0; i < kRows; ++i) {
        std::fill_n(sums + i * kFewRowsCols, std::min(kFewRowsCols, cols + kLanes), T{0});
      }
      std::size_t p = block;
      for (; p + kSteps <= end; p += kSteps) {
        continue_chains<kRows, kSteps>(q, q.b + j, cols, p, sums);
      }
      for (; p < end; ++p) continue_chains<kRows, 1>(q, q.b + j, cols, p, sums);
      const bool last = end == q.k;
      store_narrow(sums, kRows, kFewRowsCols,
                   TileOut<T>{q.c + j, q.c_row, cols,
                              last && q.bias != nullptr ? q.bias + j : nullptr, block == 0});
    }
    activate(q.activation, q.c + j, kRows, cols, q.c_row);
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
