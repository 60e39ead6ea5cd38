#include "tensor/kernels/matmul.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/matmul.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/few_rows-inl.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/pack-inl.h"

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

// Rows of the next of the tiles that share `rows` rows as evenly as they can.
constexpr std::size_t next_rows(std::size_t rows) {
  const std::size_t tiles = (rows + kTileRows - 1) / kTileRows;
  return (rows + tiles - 1) / tiles;
}

// Packing b pays when its rows are read often enough, or when they are not contiguous.
template <class T>
bool packs_b(const MatMulProblem<T>& q) {
  if (q.b_col != 1) return true;
  return q.m > 6 * kTileRows;
}

// Reading a in place is as good when few tiles share a row.
template <class T>
bool packs_a(const MatMulProblem<T>& q) {
  return q.m > kTileRows && q.n > 4 * kTileCols<T>;
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
  bool last() const { return p + steps == q.k; }
  TileOut<T> out(std::size_t i, std::size_t j, std::size_t cols) const {
    return {q.c + i * q.c_row + j, q.c_row, cols,
            last() && q.bias != nullptr ? q.bias + j : nullptr, p == 0};
  }
};

// The tiles of rows [i, i_end) against one panel of b, which holds the columns [j, j + cols).
template <std::size_t kVectors, class T>
HWY_INLINE void run_rows(const BlockRun<T>& run, std::size_t i, std::size_t i_end, std::size_t j,
                         std::size_t cols, const Panel<T>& b) {
  const bool narrow = kMasksMemory && !run.pack_b && cols % hn::MaxLanes(hn::ScalableTag<T>()) != 0;
  const T* packed = run.a_packed;
  while (i < i_end) {
    const std::size_t rows = next_rows(i_end - i);
    const Panel<T> a = run.pack_a ? Panel<T>{packed, rows, 1} : run.a_panel(i);
    const auto function = narrow          ? tile_of<kVectors, TileKind::kNarrow, T>(rows)
                          : a.stride == 1 ? tile_of<kVectors, TileKind::kPacked, T>(rows)
                                          : tile_of<kVectors, TileKind::kStrided, T>(rows);
    const TileOut<T> out = run.out(i, j, cols);
    function(a, b, run.steps, out);
    if (run.last() && run.q.activation != Activation::kNone) {
      activate(run.q.activation, out.c, rows, cols, out.row);
    }
    packed += rows * run.steps;
    i += rows;
  }
}

template <class T>
void pack_rows(const BlockRun<T>& run, std::size_t i, std::size_t i_end) {
  T* to = run.a_packed;
  while (i < i_end) {
    const std::size_t rows = next_rows(i_end - i);
    pack_panel(run.a_panel(i), run.steps, rows, to, rows);
    to += rows * run.steps;
    i += rows;
  }
}

// Packs the columns [j, j_end) of the block in panels of a tile's width. Rows of b are read a few
// at a time from end to end, which is the order memory likes.
template <class T>
void pack_cols(const BlockRun<T>& run, std::size_t j, std::size_t j_end) {
  constexpr std::size_t kWidth = kTileCols<T>;
  const std::size_t at_once = run.q.b_col == 1 ? 8 : run.steps;
  for (std::size_t p = 0; p < run.steps; p += at_once) {
    const std::size_t steps = std::min(at_once, run.steps - p);
    T* to = run.b_packed + p * kWidth;
    for (std::size_t x = j; x < j_end; x += kWidth, to += kWidth * run.steps) {
      Panel<T> from = run.b_panel(x);
      from.data += p * from.step;
      pack_panel(from, steps, std::min(kWidth, j_end - x), to, kWidth);
    }
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
      if (!kMasksMemory && cols % kLanes != 0) {
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
void run_tiles(const MatMulProblem<T>& q, T* scratch) {
  const bool pack_a = packs_a(q);
  const bool pack_b = packs_b(q);
  // b comes first: its panels are whole cache lines.
  T* b_packed = scratch;
  T* a_packed = scratch + std::min(q.k, kBlock) * b_scratch_cols(q);
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
void run(const MatMulProblem<T>& q, T* scratch) {
  if (q.b_col != 1 || q.m > kFewRows) return run_tiles(q, scratch);
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
  return {.run = run<T>,
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

// Multiplications per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = std::size_t{1} << 18;

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
bool fits(const MatrixView<T>& view, std::size_t offset = 0) {
  if (view.rows == 0 || view.cols == 0) return true;
  return offset + (view.rows - 1) * view.row_stride + (view.cols - 1) * view.col_stride <
         view.data.size();
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

template <class T>
void run_here(const MatMulTable<T>& kernel, const MatMulProblem<T>& q) {
  kernel.run(q, scratch<T>(kernel.scratch_size(q)));
}

// Splits c by rows, or by columns at the borders of tiles, whichever there are more of.
template <class T>
void run_on_threads(const MatMulTable<T>& kernel, const MatMulProblem<T>& q) {
  if (q.m * q.n * q.k < 2 * kMinPerThread) return run_here(kernel, q);
  const bool by_rows = q.m >= q.n;
  const std::size_t extent = by_rows ? q.m : q.n;
  const std::size_t unit = by_rows ? 1 : kernel.tile_cols;
  const std::size_t work = unit * (by_rows ? q.n : q.m) * q.k;
  const auto body = [&](std::size_t begin, std::size_t end) {
    const std::size_t from = begin * unit;
    const std::size_t to = std::min(end * unit, extent);
    run_here(kernel, by_rows ? part_of(q, from, to, 0, q.n) : part_of(q, 0, q.m, from, to));
  };
  parallel_for((extent + unit - 1) / unit, kMinPerThread / work + 1, std::ref(body));
}

template <class T>
MatMulProblem<T> problem_of(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias,
                            std::span<T> c, Activation activation) {
  return {.a = a.data.data(),
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
          .c_row = b.cols,
          .activation = activation};
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
  parallel_for(count, kMinPerThread / (a.rows * a.cols * b.cols) + 1, std::ref(body));
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
