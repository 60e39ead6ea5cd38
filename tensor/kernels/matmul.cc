#include "tensor/kernels/matmul.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>

#include "tensor/error.h"
#include "tensor/gemm.h"
#include "tensor/kernels/blas.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/matmul.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Panels of a for this many rows stay in the second-level cache, and panels of b for this many
// columns near it.
constexpr std::size_t kRowsAtOnce = 144;
constexpr std::size_t kColsAtOnce = 1024;

template <class T>
constexpr std::size_t kTileCols = kTileVectors* hn::MaxLanes(hn::ScalableTag<T>());

constexpr std::size_t round_up(std::size_t x, std::size_t step) {
  return (x + step - 1) / step * step;
}

// Packing b pays when its rows are read often enough, or when they are not contiguous.
template <class T>
bool packs_b(const MatMulProblem<T>& q) {
  if (q.b_col != 1) return true;
  return q.m > 2 * kTileRows;
}

// Reading a in place is as good when few tiles share a row.
template <class T>
bool packs_a(const MatMulProblem<T>& q) {
  return q.m > kTileRows && q.n > 2 * kTileCols<T>;
}

template <class T>
std::size_t b_scratch_cols(const MatMulProblem<T>& q) {
  return packs_b(q) ? round_up(std::min(q.n, kColsAtOnce), kTileCols<T>) : kTileCols<T>;
}

template <class T>
std::size_t scratch_size(const MatMulProblem<T>& q) {
  const std::size_t a_rows = packs_a(q) ? std::min(q.m, kRowsAtOnce) : 0;
  return std::min(q.k, kBlock) * (b_scratch_cols(q) + a_rows);
}

// One block of k for the columns [j, j_end) of c: everything a tile needs to know but its place.
template <class T>
struct BlockRun {
  const MatMulProblem<T>& q;
  std::size_t p;      // the block's first step
  std::size_t steps;  // its length
  T* b_packed;
  T* a_packed;
  bool pack_a, pack_b;

  Panel<T> a_panel(std::size_t i) const {
    return {q.a + i * q.a_row + p * q.a_col, q.a_col, q.a_row};
  }
  Panel<T> b_panel(std::size_t j) const {
    return {q.b + p * q.b_row + j * q.b_col, q.b_row, q.b_col};
  }
  TileOut<T> out(std::size_t i, std::size_t j, std::size_t cols) const {
    const bool last = p + steps == q.k;
    return {q.c + i * q.c_row + j, q.c_row, cols, last && q.bias != nullptr ? q.bias + j : nullptr,
            p == 0};
  }
};

// The tiles of rows [i, i_end) against one panel of b, which holds the columns [j, j + cols).
template <std::size_t kVectors, class T>
HWY_INLINE void run_rows(const BlockRun<T>& run, std::size_t i, std::size_t i_end, std::size_t j,
                         std::size_t cols, const Panel<T>& b) {
  constexpr std::size_t kReadInPlaceRows = std::min<std::size_t>(kTileRows, 6);
  if (run.pack_a) {
    for (const T* a = run.a_packed; i < i_end; i += kTileRows, a += kTileRows * run.steps) {
      tile_of<kTileRows, kVectors, true>(std::min(kTileRows, i_end - i), Panel<T>{a, 0, 1}, b,
                                         run.steps, run.out(i, j, cols));
    }
  } else {
    for (; i < i_end; i += kReadInPlaceRows) {
      tile_of<kReadInPlaceRows, kVectors, false>(std::min(kReadInPlaceRows, i_end - i),
                                                 run.a_panel(i), b, run.steps, run.out(i, j, cols));
    }
  }
}

template <class T>
void pack_rows(const BlockRun<T>& run, std::size_t i, std::size_t i_end) {
  T* to = run.a_packed;
  for (; i < i_end; i += kTileRows, to += kTileRows * run.steps) {
    const std::size_t rows = std::min(kTileRows, i_end - i);
    pack_panel(run.a_panel(i), run.steps, rows, to, rows);
  }
}

// Packs the columns [j, j_end) of the block in panels of a tile's width.
template <class T>
void pack_cols(const BlockRun<T>& run, std::size_t j, std::size_t j_end) {
  T* to = run.b_packed;
  for (; j < j_end; j += kTileCols<T>, to += kTileCols<T> * run.steps) {
    pack_panel(run.b_panel(j), run.steps, std::min(kTileCols<T>, j_end - j), to, kTileCols<T>);
  }
}

template <class T>
void run_block(const BlockRun<T>& run, std::size_t i, std::size_t i_end, std::size_t j,
               std::size_t j_end) {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  const T* packed = run.b_packed;
  for (; j < j_end; j += kTileCols<T>, packed += kTileCols<T> * run.steps) {
    const std::size_t cols = std::min(kTileCols<T>, j_end - j);
    Panel<T> b = {packed, kTileCols<T>, 1};
    if (!run.pack_b) {
      b = run.b_panel(j);
      if (cols % kLanes != 0) {
        // The last vector would reach beyond the matrix.
        pack_panel(b, run.steps, cols, run.b_packed, kTileCols<T>);
        b = {run.b_packed, kTileCols<T>, 1};
      }
    }
    if (cols <= kLanes) {
      run_rows<1>(run, i, i_end, j, cols, b);
    } else {
      run_rows<kTileVectors>(run, i, i_end, j, cols, b);
    }
  }
}

template <class T>
void run(const MatMulProblem<T>& q, T* scratch) {
  const std::size_t steps_max = std::min(q.k, kBlock);
  const bool pack_a = packs_a(q);
  const bool pack_b = packs_b(q);
  // b comes first: its panels are whole cache lines.
  T* b_packed = scratch;
  T* a_packed = scratch + steps_max * b_scratch_cols(q);
  for (std::size_t j = 0; j < q.n; j += kColsAtOnce) {
    const std::size_t j_end = std::min(q.n, j + kColsAtOnce);
    for (std::size_t p = 0; p < q.k; p += kBlock) {
      const BlockRun<T> block = {q,      p,     std::min(kBlock, q.k - p), b_packed, a_packed,
                                 pack_a, pack_b};
      if (pack_b) pack_cols(block, j, j_end);
      for (std::size_t i = 0; i < q.m; i += kRowsAtOnce) {
        const std::size_t i_end = std::min(q.m, i + kRowsAtOnce);
        if (pack_a) pack_rows(block, i, i_end);
        run_block(block, i, i_end, j, j_end);
      }
    }
  }
}

template <class T>
MatMulTable<T> make_table() {
  return {.run = run<T>,
          .scratch_size = scratch_size<T>,
          .tile_rows = kTileRows,
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

// Multiplications per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = std::size_t{1} << 20;

struct FreeAligned {
  void operator()(std::byte* bytes) const { ::operator delete (bytes, std::align_val_t{64}); }
};

// This thread's scratch memory: it grows and is kept.
template <class T>
T* scratch(std::size_t count) {
  thread_local std::unique_ptr<std::byte, FreeAligned> memory;
  thread_local std::size_t size = 0;
  const std::size_t bytes = count * sizeof(T);
  if (bytes > size) {
    memory.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64})));
    size = bytes;
  }
  return reinterpret_cast<T*>(memory.get());
}

template <class T>
bool fits(const MatrixView<T>& view) {
  if (view.rows == 0 || view.cols == 0) return true;
  return (view.rows - 1) * view.row_stride + (view.cols - 1) * view.col_stride < view.data.size();
}

// The part of the product with rows [i, i_end) and columns [j, j_end) of c.
template <class T>
MatMulProblem<T> part_of(MatMulProblem<T> q, std::size_t i, std::size_t i_end, std::size_t j,
                         std::size_t j_end) {
  q.a += i * q.a_row;
  q.b += j * q.b_col;
  q.c += i * q.c_row + j;
  if (q.bias != nullptr) q.bias += j;
  q.m = i_end - i;
  q.n = j_end - j;
  return q;
}

// Splits c by rows or by columns, whichever there are more of, at tile boundaries.
template <class T>
void run_on_threads(const MatMulProblem<T>& q) {
  const MatMulTable<T> kernel = table(T{});
  const bool by_rows = q.m >= q.n;
  const std::size_t extent = by_rows ? q.m : q.n;
  const std::size_t unit = by_rows ? kernel.tile_rows : kernel.tile_cols;
  const std::size_t work = unit * (by_rows ? q.n : q.m) * q.k;
  const auto body = [&](std::size_t begin, std::size_t end) {
    const std::size_t from = begin * unit;
    const std::size_t to = std::min(end * unit, extent);
    const auto part = by_rows ? part_of(q, from, to, 0, q.n) : part_of(q, 0, q.m, from, to);
    kernel.run(part, scratch<T>(kernel.scratch_size(part)));
  };
  parallel_for((extent + unit - 1) / unit, kMinPerThread / work + 1, std::ref(body));
}

}  // namespace

template <class T>
void matmul(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias,
            std::span<T> c) {
  PALINODE_ASSERT(a.cols == b.rows && fits(a) && fits(b));
  PALINODE_ASSERT(c.size() == a.rows * b.cols && (bias.empty() || bias.size() == b.cols));
  if (c.empty()) return;
  if (a.cols == 0) {
    for (std::size_t i = 0; i < c.size(); ++i) c[i] = bias.empty() ? T{0} : T{0} + bias[i % b.cols];
    return;
  }
  if (active_gemm() == Gemm::kOpenblas) return openblas_matmul(a, b, bias, c);
  run_on_threads(MatMulProblem<T>{.a = a.data.data(),
                                  .b = b.data.data(),
                                  .bias = bias.empty() ? nullptr : bias.data(),
                                  .c = c.data(),
                                  .m = a.rows,
                                  .n = b.cols,
                                  .k = a.cols,
                                  .a_row = a.row_stride,
                                  .a_col = a.col_stride,
                                  .b_row = b.row_stride,
                                  .b_col = b.col_stride,
                                  .c_row = b.cols});
}

template void matmul(const MatrixView<float>&, const MatrixView<float>&, std::span<const float>,
                     std::span<float>);
template void matmul(const MatrixView<double>&, const MatrixView<double>&, std::span<const double>,
                     std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
