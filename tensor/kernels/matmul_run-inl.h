// One thread's part of a matrix product: which tiles, in which order, from packed operands or in
// place (docs/arithmetic.md, section 2).

#if defined(PALINODE_TENSOR_KERNELS_MATMUL_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_MATMUL_RUN_INL_H_
#undef PALINODE_TENSOR_KERNELS_MATMUL_RUN_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_MATMUL_RUN_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "tensor/kernels/activate-inl.h"
#include "tensor/kernels/low_rank_table.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/pack-inl.h"
#include "tensor/kernels/tables.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
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

// The rows [begin, end) shared out to as few tiles as will do, as evenly as it goes: the first
// `longer` tiles have one row more than the others. Divided here once, not between two tiles.
struct RowTiles {
  RowTiles(std::size_t from, std::size_t to) : begin(from), end(to) {
    const std::size_t tiles = (to - from + kTileRows - 1) / kTileRows;
    rows = (to - from) / tiles;
    longer = (to - from) % tiles;
  }
  std::size_t begin, end, rows, longer;

  // Calls body(first row, number of rows) for each tile.
  template <class Body>
  HWY_INLINE void for_each(const Body& body) const {
    std::size_t i = begin;
    for (std::size_t t = 0; t < longer; ++t, i += rows + 1) body(i, rows + 1);
    for (; i < end; i += rows) body(i, rows);
  }
};

// Packing b pays when its rows are read often enough, or when they are not contiguous.
template <class T>
bool packs_b(const MatMulProblem<T>& q) {
  if (q.b_col != 1) return true;
  return q.m > 12 * kTileRows;
}

// Reading a in place is as good when few tiles share a row; a tile must know one of its strides.
template <class T>
bool packs_a(const MatMulProblem<T>& q) {
  if (q.a_row != 1 && q.a_col != 1) return true;
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

// A tile y that is complete, its panel of up, and where y + low up goes; rows are y_row and z_row
// apart.
template <class T>
struct ChangedTile {
  const T* up;
  const T* y;
  std::size_t y_row;
  T* z;
  std::size_t z_row, cols;
};

// z = y + low up, with low from the tile's first row on. Not inlined, for the accumulators' sake.
template <std::size_t kRows, std::size_t kVectors, class T>
HWY_NOINLINE void change_tile(const LowRankChange<T>& change, const T* low,
                              const ChangedTile<T>& tile) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kCols = kVectors * kLanes;
  using V = hn::Vec<hn::ScalableTag<T>>;
  V sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  const std::size_t rank = change.rank;
  const T* up = tile.up;
  for (std::size_t p = 0; p < rank; ++p, up += kTileCols<T>) {
    V row[kVectors];
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = hn::Load(d, up + v * kLanes);
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i) {
      const V factor = hn::Set(d, low[i * rank + p]);
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = Fma(d, factor, row[v], sums[i][v]);
    }
  }
  if (tile.cols == kCols) {
    const T* y = tile.y;
    T* z = tile.z;
    const std::size_t y_row = tile.y_row, z_row = tile.z_row;
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i, y += y_row, z += z_row) {
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) {
        hn::StoreU(hn::Add(hn::LoadU(d, y + v * kLanes), sums[i][v]), d, z + v * kLanes);
      }
    }
    return;
  }
  HWY_ALIGN T block[kRows * kCols];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::Store(sums[i][v], d, block + i * kCols + v * kLanes);
    }
  }
  for (std::size_t i = 0; i < kRows; ++i) {
    const T* const y = tile.y + i * tile.y_row;
    T* const z = tile.z + i * tile.z_row;
    const T* const sum = block + i * kCols;
    for_each_vector(d, tile.cols, [=](auto access, std::size_t j) HWY_ATTR {
      access.store(d, hn::Add(access.load(d, y + j), hn::Load(d, sum + j)), z + j);
    });
  }
}

template <class T>
using ChangeFunction = void (*)(const LowRankChange<T>& change, const T* low,
                                const ChangedTile<T>& tile);

// The change_tile for 1 <= rows <= kTileRows rows.
template <std::size_t kVectors, class T>
HWY_INLINE ChangeFunction<T> change_tile_of(std::size_t rows) {
  static constexpr auto kTiles = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<ChangeFunction<T>, sizeof...(i)>{change_tile<i + 1, kVectors, T>...};
  }
  (std::make_index_sequence<kTileRows>());
  return kTiles[rows - 1];
}

// The tiles against one panel of b, which holds the columns [j, j + cols). A tile that is about to
// be changed waits beside the matrix if this block is all of it: in its place it would be read
// again while its lines are on their way from memory.
template <std::size_t kVectors, class Change, class T>
HWY_INLINE void run_rows(const BlockRun<T>& run, const Change& change, const RowTiles& tiles,
                         std::size_t j, std::size_t cols, const Panel<T>& b) {
  const bool narrow = kMasksMemory && !run.pack_b && cols % hn::MaxLanes(hn::ScalableTag<T>()) != 0;
  const bool activates = run.last() && run.q.activation != Activation::kNone;
  const T* packed = run.a_packed;
  HWY_ALIGN T beside[kChanges<Change> ? kTileRows * kTileCols<T> : 1];
  tiles.for_each([&](std::size_t i, std::size_t rows) HWY_ATTR {
    const Panel<T> a = run.pack_a ? Panel<T>{packed, rows, 1} : run.a_panel(i);
    const auto function = narrow          ? tile_of<kVectors, TileKind::kNarrow, T>(rows)
                          : a.stride == 1 ? tile_of<kVectors, TileKind::kPacked, T>(rows)
                                          : tile_of<kVectors, TileKind::kRowMajor, T>(rows);
    TileOut<T> out = run.out(i, j, cols);
    T* const c = out.c;
    if constexpr (kChanges<Change>) {
      if (run.last() && out.first) {
        out.c = beside;
        out.row = kTileCols<T>;
      }
    }
    function(a, b, run.steps, out);
    if constexpr (kChanges<Change>) {
      if (run.last()) {
        const T* const up = change.up_packed + j % kColsAtOnce * change.rank;
        const ChangedTile<T> changed = {up, out.c, out.row, c, run.q.c_row, cols};
        change_tile_of<kVectors, T>(rows)(change, change.low + i * change.rank, changed);
      }
    }
    if (activates) activate(run.q.activation, c, rows, cols, run.q.c_row);
    packed += rows * run.steps;
  });
}

template <class T>
void pack_rows(const BlockRun<T>& run, const RowTiles& tiles) {
  T* to = run.a_packed;
  tiles.for_each([&](std::size_t i, std::size_t rows) HWY_ATTR {
    pack_panel(run.a_panel(i), run.steps, rows, to, rows);
    to += rows * run.steps;
  });
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

template <class Change, class T>
void run_block(const BlockRun<T>& run, const Change& change, const RowTiles& tiles, std::size_t j,
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
      run_rows<1>(run, change, tiles, j, cols, b);
    } else {
      run_rows<kTileVectors>(run, change, tiles, j, cols, b);
    }
  }
}

// The product low is, before it is scaled.
template <class T>
MatMulProblem<T> low_problem(MatMulProblem<T> q, const LowRankChange<T>& change) {
  q.b = change.down;
  q.b_row = change.down_row;
  q.b_col = 1;
  q.bias = nullptr;
  q.c = change.low;
  q.c_row = q.n = change.rank;
  q.activation = Activation::kNone;
  return q;
}

template <class T>
void scale_low(const LowRankChange<T>& change, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  T* const low = change.low + begin * change.rank;
  const auto scale = hn::Set(d, change.scale);
  for_each_vector(d, (end - begin) * change.rank, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, hn::Mul(access.load(d, low + i), scale), low + i);
  });
}

// The block's share of low, from the rows of a that are packed for c too; scaled once it is whole.
template <class T>
void run_low(BlockRun<T> run, const LowRankChange<T>& change, const RowTiles& tiles) {
  const MatMulProblem<T> q = low_problem(run.q, change);
  const BlockRun<T> low = {q, run.p, run.steps, change.panel, run.a_packed, run.pack_a, false};
  run_block(low, NoChange{}, tiles, 0, change.rank);
  if (low.last()) scale_low(change, tiles.begin, tiles.end);
}

// Packs the columns [j, j_end) of up, a row from end to end as in pack_cols.
template <class T>
void pack_up(const LowRankChange<T>& change, std::size_t j, std::size_t j_end) {
  constexpr std::size_t kWidth = kTileCols<T>;
  for (std::size_t p = 0; p < change.rank; ++p) {
    T* to = change.up_packed + p * kWidth;
    for (std::size_t x = j; x < j_end; x += kWidth, to += kWidth * change.rank) {
      const Panel<T> row = {change.up + p * change.up_row + x, 0, 1};
      pack_panel(row, 1, std::min(kWidth, j_end - x), to, kWidth);
    }
  }
}

template <class Change, class T>
void run_tiles(const MatMulProblem<T>& q, const Change& change, T* scratch) {
  const bool pack_a = packs_a(q);
  const bool pack_b = packs_b(q);
  // b comes first: its panels are whole cache lines.
  T* b_packed = scratch;
  T* a_packed = scratch + std::min(q.k, kBlock) * b_scratch_cols(q);
  for (std::size_t j = 0; j < q.n; j += kColsAtOnce) {
    const std::size_t j_end = std::min(q.n, j + kColsAtOnce);
    if constexpr (kChanges<Change>) pack_up(change, j, j_end);
    for (std::size_t p = 0; p < q.k; p += kBlock) {
      const BlockRun<T> block = {q,      p,     std::min(kBlock, q.k - p), b_packed, a_packed,
                                 pack_a, pack_b};
      if (pack_b) pack_cols(block, j, j_end);
      for (std::size_t i = 0; i < q.m; i += kRowsAtOnce) {
        const RowTiles tiles(i, std::min(q.m, i + kRowsAtOnce));
        if (pack_a) pack_rows(block, tiles);
        if constexpr (kChanges<Change>) {
          if (j == 0 && !change.ready) run_low(block, change, tiles);
        }
        run_block(block, change, tiles, j, j_end);
      }
    }
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
