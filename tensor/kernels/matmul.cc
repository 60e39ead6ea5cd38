#include "tensor/kernels/matmul.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/gemm.h"
#include "tensor/kernels/blas.h"
#include "tensor/kernels/matmul_parts.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/matmul.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/activate-inl.h"
#include "tensor/kernels/few_rows-inl.h"
#include "tensor/kernels/matmul_run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {

template <class T>
void run_product(const MatMulProblem<T>& q, T* scratch) {
  if (q.b_col != 1 || q.m > kFewRows) return run_tiles(q, NoChange{}, scratch);
  switch (q.m) {
    case 1:
      return run_few_rows<1>(q);
    case 2:
      return run_few_rows<2>(q);
    case 3:
      return run_few_rows<3>(q);
    default:
      return run_few_rows<4>(q);
  }
}

template <class T>
MatMulTable<T> make_table() {
  return {.run = run_product<T>,
          .scratch_size = scratch_size<T>,
          .activate = activate<T>,
          .tile_cols = kTileCols<T>};
}

MatMulTable<float> matmul_f32() { return make_table<float>(); }
MatMulTable<double> matmul_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(matmul_f32);
HWY_EXPORT(matmul_f64);

MatMulTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(matmul_f32)(); }
MatMulTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(matmul_f64)(); }

template <class T>
bool fits(const MatrixView<T>& view, std::size_t offset = 0) {
  if (view.rows == 0 || view.cols == 0) return true;
  return offset + (view.rows - 1) * view.row_stride + (view.cols - 1) * view.col_stride <
         view.data.size();
}

template <class T>
void run_here(const MatMulTable<T>& kernel, const MatMulProblem<T>& q) {
  kernel.run(q, scratch<T>(kernel.scratch_size(q)));
}

// Splits c by rows, or by columns at the borders of tiles, whichever there are more of.
template <class T>
void run_on_threads(const MatMulTable<T>& kernel, const MatMulProblem<T>& q) {
  if (q.m * q.n * q.k < 2 * kMinProductPerThread) return run_here(kernel, q);
  const bool by_rows = q.m >= q.n;
  const std::size_t extent = by_rows ? q.m : q.n;
  const std::size_t unit = by_rows ? 1 : kernel.tile_cols;
  const std::size_t work = unit * (by_rows ? q.n : q.m) * q.k;
  const auto body = [&](std::size_t begin, std::size_t end) {
    const std::size_t from = begin * unit;
    const std::size_t to = std::min(end * unit, extent);
    run_here(kernel, by_rows ? part_of(q, from, to, 0, q.n) : part_of(q, 0, q.m, from, to));
  };
  parallel_for((extent + unit - 1) / unit, kMinProductPerThread / work + 1, std::ref(body));
}

}  // namespace

template <class T>
void matmul(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias, std::span<T> c,
            Activation activation) {
  PALINODE_ASSERT(a.cols == b.rows && fits(a) && fits(b));
  PALINODE_ASSERT(c.size() == a.rows * b.cols && (bias.empty() || bias.size() == b.cols));
  if (c.empty()) return;
  const MatMulTable<T> kernel = table(T{});
  if (a.cols == 0) {
    for (std::size_t i = 0; i < c.size(); ++i) c[i] = bias.empty() ? T{0} : T{0} + bias[i % b.cols];
    return kernel.activate(activation, c.data(), a.rows, b.cols, b.cols);
  }
  if (active_gemm() == Gemm::kOpenblas) {
    openblas_matmul(a, b, bias, c);
    return kernel.activate(activation, c.data(), a.rows, b.cols, b.cols);
  }
  run_on_threads(kernel, problem_of(a, b, bias, c, activation));
}

template <class T>
void batched_matmul(std::size_t count, const MatrixView<T>& a, std::size_t a_step,
                    const MatrixView<T>& b, std::size_t b_step, std::span<T> c) {
  PALINODE_ASSERT(a.cols == b.rows && c.size() == count * a.rows * b.cols);
  if (c.empty()) return;
  PALINODE_ASSERT(fits(a, (count - 1) * a_step) && fits(b, (count - 1) * b_step));
  if (a.cols == 0) {
    std::ranges::fill(c, T{0});
    return;
  }
  if (active_gemm() == Gemm::kOpenblas) {
    for (std::size_t x = 0; x < count; ++x) {
      MatrixView<T> a_one = a, b_one = b;
      a_one.data = a.data.subspan(x * a_step);
      b_one.data = b.data.subspan(x * b_step);
      openblas_matmul(a_one, b_one, {}, c.subspan(x * a.rows * b.cols, a.rows * b.cols));
    }
    return;
  }
  const MatMulTable<T> kernel = table(T{});
  const auto one = [&](std::size_t x) {
    MatMulProblem<T> q = problem_of(a, b, {}, c, Activation::kNone);
    q.a += x * a_step;
    q.b += x * b_step;
    q.c += x * q.m * q.n;
    return q;
  };
  if (count < threads()) {
    for (std::size_t x = 0; x < count; ++x) run_on_threads(kernel, one(x));
    return;
  }
  const auto body = [&](std::size_t begin, std::size_t end) {
    for (std::size_t x = begin; x < end; ++x) run_here(kernel, one(x));
  };
  parallel_for(count, kMinProductPerThread / (a.rows * a.cols * b.cols) + 1, std::ref(body));
}

template void matmul(const MatrixView<float>&, const MatrixView<float>&, std::span<const float>,
                     std::span<float>, Activation);
template void matmul(const MatrixView<double>&, const MatrixView<double>&, std::span<const double>,
                     std::span<double>, Activation);
template void batched_matmul(std::size_t, const MatrixView<float>&, std::size_t,
                             const MatrixView<float>&, std::size_t, std::span<float>);
template void batched_matmul(std::size_t, const MatrixView<double>&, std::size_t,
                             const MatrixView<double>&, std::size_t, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
