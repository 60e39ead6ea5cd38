#include "tensor/kernels/low_rank.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/low_rank_table.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/low_rank.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Rows whose chains run at once, so that a step of one does not wait for the step before; and rows
// that are finished before the next begin, while they are in the cache.
constexpr std::size_t kRows = 8;
constexpr std::size_t kRowsAtOnce = 64;
// A tile of the output: as many sums as the registers hold beside their factors.
constexpr std::size_t kWideRows = 4;
constexpr std::size_t kVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;

// The blocks [block, block + kBlocks) of k, all of `steps` steps, for kCount rows of x and one
// vector of columns of a.
template <std::size_t kCount, std::size_t kBlocks, class Access, class T>
HWY_INLINE void add_blocks(const LowRankProblem<T>& q, Access access, const T* x, const T* a,
                           std::size_t block, std::size_t steps,
                           hn::Vec<hn::ScalableTag<T>>* sums) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<hn::ScalableTag<T>>;
  V chains[kBlocks][kCount];
  HWY_UNROLL(2)
  for (std::size_t c = 0; c < kBlocks; ++c) {
    HWY_UNROLL(8)
    for (std::size_t i = 0; i < kCount; ++i) chains[c][i] = hn::Zero(d);
  }
  for (std::size_t step = 0; step < steps; ++step) {
    HWY_UNROLL(2)
    for (std::size_t c = 0; c < kBlocks; ++c) {
      const std::size_t p = (block + c) * kBlock + step;
      const V factor = access.load(d, a + p * q.a_row);
      HWY_UNROLL(8)
      for (std::size_t i = 0; i < kCount; ++i) {
        chains[c][i] = Fma(d, hn::Set(d, x[i * q.x_row + p * q.x_col]), factor, chains[c][i]);
      }
    }
  }
  HWY_UNROLL(2)
  for (std::size_t c = 0; c < kBlocks; ++c) {
    HWY_UNROLL(8)
    for (std::size_t i = 0; i < kCount; ++i) {
      sums[i] = block + c == 0 ? chains[c][i] : hn::Add(sums[i], chains[c][i]);
    }
  }
}

// The values of `low` in kCount rows and one vector of columns.
template <std::size_t kCount, class Access, class T>
HWY_INLINE void narrow_columns(const LowRankProblem<T>& q, Access access, std::size_t row,
                               std::size_t column) {
  const hn::ScalableTag<T> d;
  const T* const x = q.x + row * q.x_row;
  const T* const a = q.a + column;
  hn::Vec<hn::ScalableTag<T>> sums[kCount];
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kCount; ++i) sums[i] = hn::Zero(d);
  const std::size_t whole = q.k / kBlock;
  std::size_t block = 0;
  // A row alone would wait for its own chain: its blocks are independent.
  if constexpr (kCount < 4) {
    for (; block + 2 <= whole; block += 2) {
      add_blocks<kCount, 2>(q, access, x, a, block, kBlock, sums);
    }
  }
  for (; block < whole; ++block) add_blocks<kCount, 1>(q, access, x, a, block, kBlock, sums);
  if (q.k % kBlock != 0) add_blocks<kCount, 1>(q, access, x, a, whole, q.k % kBlock, sums);
  const auto scale = hn::Set(d, q.scale);
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kCount; ++i) {
    access.store(d, hn::Mul(sums[i], scale), q.low + (row + i) * q.rank + column);
  }
}

template <std::size_t kCount, class T>
void narrow(const LowRankProblem<T>& q, std::size_t row) {
  for_each_vector(hn::ScalableTag<T>(), q.rank, [&](auto access, std::size_t column) HWY_ATTR {
    narrow_columns<kCount>(q, access, row, column);
  });
}

// kCount rows and kVectors vectors of columns of out, the last of them as `access` says.
template <std::size_t kCount, std::size_t kVectors, class Access, class T>
HWY_INLINE void widen_columns(const LowRankProblem<T>& q, Access access, std::size_t row,
                              std::size_t column) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  const T* const low = q.low + row * q.rank;
  hn::Vec<hn::ScalableTag<T>> sums[kCount][kVectors], factors[kVectors];
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kCount; ++i) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  for (std::size_t s = 0; s < q.rank; ++s) {
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      factors[v] = access.load(d, q.b + s * q.b_row + column + v * kLanes);
    }
    HWY_UNROLL(8)
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto x = hn::Set(d, low[i * q.rank + s]);
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = Fma(d, x, factors[v], sums[i][v]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::size_t at = (row + i) * q.n + column;
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto old = access.load(d, q.y + at + v * kLanes);
      access.store(d, hn::Add(old, sums[i][v]), q.out + at + v * kLanes);
    }
  }
}

template <std::size_t kCount, class T>
void widen(const LowRankProblem<T>& q, std::size_t row) {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  std::size_t j = 0;
  for (; j + kVectors * kLanes <= q.n; j += kVectors * kLanes) {
    widen_columns<kCount, kVectors>(q, Whole{}, row, j);
  }
  for (; j + kLanes <= q.n; j += kLanes) widen_columns<kCount, 1>(q, Whole{}, row, j);
  if (j < q.n) widen_columns<kCount, 1>(q, Part{q.n - j}, row, j);
}

template <class T>
void run(const LowRankProblem<T>& q) {
  for (std::size_t begin = 0; begin < q.m; begin += kRowsAtOnce) {
    const std::size_t end = std::min(q.m, begin + kRowsAtOnce);
    std::size_t i = begin;
    for (; i + kRows <= end; i += kRows) narrow<kRows>(q, i);
    for (; i < end; ++i) narrow<1>(q, i);
    for (i = begin; i + kWideRows <= end; i += kWideRows) widen<kWideRows>(q, i);
    for (; i < end; ++i) widen<1>(q, i);
  }
}

LowRankTable<float> low_rank_f32() { return {.run = run<float>}; }
LowRankTable<double> low_rank_f64() { return {.run = run<double>}; }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(low_rank_f32);
HWY_EXPORT(low_rank_f64);

LowRankTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(low_rank_f32)(); }
LowRankTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(low_rank_f64)(); }

// Multiplications per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = std::size_t{1} << 18;

}  // namespace

template <class T>
void low_rank_add(const MatrixView<T>& x, const MatrixView<T>& a, const MatrixView<T>& b, T scale,
                  std::span<const T> y, std::span<T> low, std::span<T> out) {
  PALINODE_ASSERT(x.cols == a.rows && a.cols == b.rows && a.cols <= kLowRank);
  PALINODE_ASSERT((a.col_stride == 1 || a.cols <= 1) && (b.col_stride == 1 || b.cols <= 1));
  PALINODE_ASSERT(y.size() == x.rows * b.cols && out.size() == y.size());
  PALINODE_ASSERT(low.size() == x.rows * a.cols);
  const LowRankProblem<T> all = {.x = x.data.data(),
                                 .a = a.data.data(),
                                 .b = b.data.data(),
                                 .y = y.data(),
                                 .low = low.data(),
                                 .out = out.data(),
                                 .m = x.rows,
                                 .k = x.cols,
                                 .rank = a.cols,
                                 .n = b.cols,
                                 .x_row = x.row_stride,
                                 .x_col = x.col_stride,
                                 .a_row = a.row_stride,
                                 .b_row = b.row_stride,
                                 .scale = scale};
  const auto function = table(T{}).run;
  const std::size_t work = (all.k + all.n) * all.rank;
  const auto body = [&](std::size_t begin, std::size_t end) {
    LowRankProblem<T> q = all;
    q.x += begin * q.x_row;
    q.y += begin * q.n;
    q.low += begin * q.rank;
    q.out += begin * q.n;
    q.m = end - begin;
    function(q);
  };
  parallel_for(all.m, kMinPerThread / (work + 1) + 1, std::ref(body));
}

template void low_rank_add(const MatrixView<float>&, const MatrixView<float>&,
                           const MatrixView<float>&, float, std::span<const float>,
                           std::span<float>, std::span<float>);
template void low_rank_add(const MatrixView<double>&, const MatrixView<double>&,
                           const MatrixView<double>&, double, std::span<const double>,
                           std::span<double>, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
