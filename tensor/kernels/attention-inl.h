// The tiles of attention: products in which a row of the result may leave out steps at the end or
// at the beginning, as the causal mask asks (docs/arithmetic.md, section 6c).
//
// A tile has few rows, all its chains are in registers, and the steps at which some rows have
// stopped, or not begun, are unrolled: what is masked is never touched.

#if defined(PALINODE_TENSOR_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_ATTENTION_INL_H_
#undef PALINODE_TENSOR_KERNELS_ATTENTION_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_ATTENTION_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The most rows of a tile, a power of two: its chains, factors and a row of b fill the registers.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
inline constexpr std::size_t kHeadTileRows = 8;
#elif HWY_TARGET == HWY_AVX2
inline constexpr std::size_t kHeadTileRows = 4;
#else
inline constexpr std::size_t kHeadTileRows = 2;
#endif

template <class T>
inline constexpr std::size_t kHeadTileCols = 2 * hn::MaxLanes(hn::ScalableTag<T>());

// Which steps row r of a tile takes part in.
enum class Reach {
  kAll,
  kFalling,  // all but the last kRows - 1 - r: of keys, those that query r sees
  kRising,   // all but the first r: of queries, those that see key r
};

// How a tile reads a: along a row, or along a column.
enum class FactorOrder { kRow, kColumn };

// A tile on its way through the steps.
template <std::size_t kRows, std::size_t kVectors, FactorOrder kOrder, class T>
struct HeadTile {
  static constexpr std::size_t kGroups = (kRows + 2) / 3;
  static constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  using V = hn::Vec<hn::ScalableTag<T>>;

  // One step of the rows [kFirst, kEnd). An address reaches a register, and one or two strides
  // beyond it: three rows share a pointer.
  template <std::size_t kFirst, std::size_t kEnd>
  HWY_INLINE void step(V (&sums)[kRows][kVectors]) {
    const hn::ScalableTag<T> d;
    const std::size_t stride = kOrder == FactorOrder::kColumn ? 1 : a_stride;
    V row[kVectors];
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b + v * kLanes);
    HWY_UNROLL(16)
    for (std::size_t i = kFirst; i < kEnd; ++i) {
      const V factor = hn::Set(d, group[i / 3][i % 3 * stride]);
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = Fma(d, factor, row[v], sums[i][v]);
    }
    HWY_UNROLL(8)
    for (std::size_t g = 0; g < kGroups; ++g) {
      group[g] += kOrder == FactorOrder::kRow ? 1 : a_step;
    }
    b += b_step;
  }

  template <std::size_t... i>
  HWY_INLINE void begin_rows(V (&sums)[kRows][kVectors], std::index_sequence<i...>) {
    (step<0, i + 1>(sums), ...);
  }
  template <std::size_t... i>
  HWY_INLINE void end_rows(V (&sums)[kRows][kVectors], std::index_sequence<i...>) {
    (step<i + 1, kRows>(sums), ...);
  }

  const T* group[kGroups];
  const T* b;
  std::size_t a_stride, a_step, b_step;
};

// One block of the chains of kRows rows, in `steps` steps of which kReach leaves some out. Every
// row takes part in at least one. Not inlined: inlined, the accumulators spill.
template <std::size_t kRows, std::size_t kVectors, Reach kReach, FactorOrder kOrder, class T>
HWY_NOINLINE void head_tile(const Panel<T>& a, const Panel<T>& b, std::size_t steps,
                            const TileOut<T>& out) {
  const hn::ScalableTag<T> d;
  using Tile = HeadTile<kRows, kVectors, kOrder, T>;
  typename Tile::V sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  Tile at;
  at.b = b.data;
  at.a_stride = a.stride;
  at.a_step = a.step;
  at.b_step = b.step;
  HWY_UNROLL(8)
  for (std::size_t g = 0; g < Tile::kGroups; ++g) {
    at.group[g] = a.data + 3 * g * (kOrder == FactorOrder::kColumn ? 1 : a.stride);
  }
  constexpr auto kCorner = std::make_index_sequence<kRows - 1>();
  const std::size_t common = kReach == Reach::kAll ? steps : steps - (kRows - 1);
  if constexpr (kReach == Reach::kRising) at.begin_rows(sums, kCorner);
  HWY_UNROLL(4)
  for (std::size_t p = 0; p < common; ++p) at.template step<0, kRows>(sums);
  if constexpr (kReach == Reach::kFalling) at.end_rows(sums, kCorner);
  store_tile(sums, out);
}

// One block of the chains of `rows` rows, a power of two up to kHeadTileRows, and all columns of b.
template <Reach kReach, FactorOrder kOrder, std::size_t kRows = kHeadTileRows, class T>
HWY_INLINE void run_head_tile(std::size_t rows, const Panel<T>& a, Panel<T> b, std::size_t steps,
                              TileOut<T> out) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return run_head_tile<kReach, kOrder, kRows / 2>(rows, a, b, steps, out);
  }
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  for (std::size_t left = out.cols; left > 0;) {
    out.cols = std::min(left, kHeadTileCols<T>);
    if (out.cols <= kLanes) {
      head_tile<kRows, 1, kReach, kOrder>(a, b, steps, out);
    } else {
      head_tile<kRows, 2, kReach, kOrder>(a, b, steps, out);
    }
    left -= out.cols;
    b.data += out.cols;
    out.c += out.cols;
  }
}

// Calls body(i, rows) for tiles of the rows [begin, end).
template <class Body>
HWY_INLINE void for_each_head_tile(std::size_t begin, std::size_t end, const Body& body) {
  std::size_t rows = kHeadTileRows;
  for (std::size_t i = begin; i < end; i += rows) {
    while (rows > end - i) rows /= 2;
    body(i, rows);
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
