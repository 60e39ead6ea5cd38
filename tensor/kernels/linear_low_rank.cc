#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/low_rank.h"
#include "tensor/kernels/low_rank_table.h"
#include "tensor/kernels/matmul_parts.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/linear_low_rank.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/few_rows-inl.h"
#include "tensor/kernels/matmul_run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {

template <class T>
std::size_t panel_size(std::size_t k) {
  return std::min(k, kBlock) * kTileCols<T>;
}

template <class T>
std::size_t up_size(std::size_t n, std::size_t rank) {
  return rank * round_up(std::min(n, kColsAtOnce), kTileCols<T>);
}

template <class T>
std::size_t size_of_scratch(const MatMulProblem<T>& q, std::size_t rank) {
  return panel_size<T>(q.k) + up_size<T>(q.n, rank) + scratch_size(q);
}

template <class T>
void run_changed(const MatMulProblem<T>& q, LowRankChange<T> change, T* scratch) {
  change.panel = scratch;
  change.up_packed = change.panel + panel_size<T>(q.k);
  run_tiles(q, change, change.up_packed + up_size<T>(q.n, change.rank));
}

template <class T>
LinearLowRankTable<T> make_table() {
  return {.run = run_changed<T>,
          .scratch_size = size_of_scratch<T>,
          .tile_cols = kTileCols<T>,
          .few_rows = kFewRows};
}

LinearLowRankTable<float> linear_low_rank_f32() { return make_table<float>(); }
LinearLowRankTable<double> linear_low_rank_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(linear_low_rank_f32);
HWY_EXPORT(linear_low_rank_f64);

LinearLowRankTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(linear_low_rank_f32)(); }
LinearLowRankTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(linear_low_rank_f64)(); }

template <class T>
void run_here(const LinearLowRankTable<T>& kernel, const MatMulProblem<T>& q,
              const LowRankChange<T>& change) {
  kernel.run(q, change, scratch<T>(kernel.scratch_size(q, change.rank)));
}

}  // namespace

template <class T>
void linear_low_rank(const MatrixView<T>& x, const MatrixView<T>& weight, std::span<const T> bias,
                     const MatrixView<T>& a, const MatrixView<T>& b, T scale, std::span<T> low,
                     std::span<T> out) {
  PALINODE_ASSERT(x.cols == weight.rows && x.cols == a.rows && x.cols > 0);
  PALINODE_ASSERT(a.cols == b.rows && a.cols > 0 && a.cols <= kLowRank);
  PALINODE_ASSERT((a.col_stride == 1 || a.cols == 1) && (b.col_stride == 1 || b.cols <= 1));
  PALINODE_ASSERT(b.cols == weight.cols && (bias.empty() || bias.size() == b.cols));
  PALINODE_ASSERT(out.size() == x.rows * b.cols && low.size() == x.rows * a.cols);
  if (x.rows == 0) return;
  const LinearLowRankTable<T> kernel = table(T{});
  if (x.rows <= kernel.few_rows) {
    // Their product reads the weight as it lies; what it leaves is small enough to be read again.
    matmul<T>(x, weight, bias, out);
    return low_rank_add<T>(x, a, b, scale, out, low, out);
  }
  const MatMulProblem<T> q = problem_of(x, weight, bias, out, Activation::kNone);
  LowRankChange<T> change = {.down = a.data.data(),
                             .up = b.data.data(),
                             .low = low.data(),
                             .rank = a.cols,
                             .down_row = a.row_stride,
                             .up_row = b.row_stride,
                             .scale = scale,
                             .ready = false,
                             .panel = nullptr,
                             .up_packed = nullptr};
  if (threads() == 1 || q.m * q.n * q.k < 2 * kMinProductPerThread) {
    return run_here(kernel, q, change);
  }
  if (q.m >= q.n) {
    const auto rows = [&](std::size_t begin, std::size_t end) {
      LowRankChange<T> part = change;
      part.low += begin * part.rank;
      run_here(kernel, part_of(q, begin, end, 0, q.n), part);
    };
    return parallel_for(q.m, kMinProductPerThread / (q.n * q.k) + 1, std::ref(rows));
  }
  // Every column of out needs all of low.
  matmul<T>(x, a, {}, low);
  kernels::scale<T>(low, scale, low);
  change.ready = true;
  const auto columns = [&](std::size_t begin, std::size_t end) {
    const std::size_t from = begin * kernel.tile_cols;
    const std::size_t to = std::min(end * kernel.tile_cols, q.n);
    LowRankChange<T> part = change;
    part.up += from;
    run_here(kernel, part_of(q, 0, q.m, from, to), part);
  };
  parallel_for((q.n + kernel.tile_cols - 1) / kernel.tile_cols,
               kMinProductPerThread / (kernel.tile_cols * q.m * q.k) + 1, std::ref(columns));
}

template void linear_low_rank(const MatrixView<float>&, const MatrixView<float>&,
                              std::span<const float>, const MatrixView<float>&,
                              const MatrixView<float>&, float, std::span<float>, std::span<float>);
template void linear_low_rank(const MatrixView<double>&, const MatrixView<double>&,
                              std::span<const double>, const MatrixView<double>&,
                              const MatrixView<double>&, double, std::span<double>,
                              std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
