// The tiles of the matrix product (docs/arithmetic.md, section 2).
//
// Lanes run over columns of c only, so every lane owns one chain and no tile size can change a bit.
// Legend: m, n, k extents of the product; i, j, p indices into them; d the vector tag.

#if defined(PALINODE_TENSOR_KERNELS_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_MATMUL_INL_H_
#undef PALINODE_TENSOR_KERNELS_MATMUL_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_MATMUL_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kBlock = 256;  // values of k in a chain; part of the specification

// The tile that fills the registers. An emulated fma is slow whatever the tile, and long.
#if HWY_TARGET == HWY_AVX3
inline constexpr std::size_t kTileRows = 14;
inline constexpr std::size_t kTileVectors = 2;
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_SSE4
inline constexpr std::size_t kTileRows = 2;
inline constexpr std::size_t kTileVectors = 1;
#else
inline constexpr std::size_t kTileRows = 6;
inline constexpr std::size_t kTileVectors = 2;
#endif

// An operand of a tile: value x of step p is data[p * step + x * stride]. The columns of b always
// have the stride 1.
template <class T>
struct Panel {
  const T* data;
  std::size_t step;
  std::size_t stride;
};

// Where a tile goes: `cols` columns of each row of c are stored, rows are `row` apart.
template <class T>
struct TileOut {
  T* c;
  std::size_t row;
  std::size_t cols;
  const T* bias;  // added after the last block only; null before and for none
  bool first;     // the first block is stored, later ones are added
};

// Finishes a tile that is narrower than its vectors: block holds `rows` rows of `width` values.
template <class T>
HWY_NOINLINE void store_narrow(const T* block, std::size_t rows, std::size_t width,
                               const TileOut<T>& out) {
  const hn::ScalableTag<T> d;
  for (std::size_t i = 0; i < rows; ++i, block += width) {
    T* c = out.c + i * out.row;
    for_each_vector(d, out.cols, [=, &out](auto access, std::size_t j) HWY_ATTR {
      auto sum = hn::LoadU(d, block + j);
      if (!out.first) sum = hn::Add(access.load(d, c + j), sum);
      if (out.bias != nullptr) sum = hn::Add(sum, access.load(d, out.bias + j));
      access.store(d, sum, c + j);
    });
  }
}

// Finishes the chains of a tile: stores them, or adds them to what earlier blocks left.
template <std::size_t kRows, std::size_t kVectors, class V, class T>
HWY_INLINE void store_tile(V (&sums)[kRows][kVectors], const TileOut<T>& out) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kCols = kVectors * kLanes;
  if (out.cols < kCols) {
    HWY_ALIGN T block[kRows * kCols];
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i) {
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) {
        hn::Store(sums[i][v], d, block + i * kCols + v * kLanes);
      }
    }
    return store_narrow(block, kRows, kCols, out);
  }
  if (!out.first) {
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i) {
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[i][v] = hn::Add(hn::LoadU(d, out.c + i * out.row + v * kLanes), sums[i][v]);
      }
    }
  }
  if (out.bias != nullptr) {
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V bias = hn::LoadU(d, out.bias + v * kLanes);
      HWY_UNROLL(16)
      for (std::size_t i = 0; i < kRows; ++i) sums[i][v] = hn::Add(sums[i][v], bias);
    }
  }
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[i][v], d, out.c + i * out.row + v * kLanes);
    }
  }
}

// What a tile knows of its operands.
enum class TileKind {
  kPacked,    // a.stride is 1
  kRowMajor,  // a.step is 1
  kNarrow,    // nothing of a, and the last vector of a row of b would reach beyond the matrix
};

// One block of k for kRows x kVectors * Lanes(d) outputs. Not inlined: inlined, the accumulators
// spill.
template <std::size_t kRows, std::size_t kVectors, TileKind kKind, class T>
HWY_NOINLINE void tile(const Panel<T>& a, const Panel<T>& b, std::size_t steps,
                       const TileOut<T>& out) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kGroups = (kRows + 2) / 3;
  using V = hn::Vec<hn::ScalableTag<T>>;
  V sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }

  // An address reaches a register, and one or two strides beyond it: three rows share a pointer.
  const std::size_t stride = kKind == TileKind::kPacked ? 1 : a.stride;
  const std::size_t a_step = kKind == TileKind::kRowMajor ? 1 : a.step;
  const std::size_t b_step = b.step;
  const T* group[kGroups];
  HWY_UNROLL(8)
  for (std::size_t g = 0; g < kGroups; ++g) group[g] = a.data + 3 * g * stride;
  const T* b_at = b.data;
  const Part last{out.cols - std::min(out.cols, (kVectors - 1) * kLanes)};
  HWY_UNROLL(4)
  for (std::size_t p = 0; p < steps; ++p, b_at += b_step) {
    V row[kVectors];
    HWY_UNROLL(16)
    for (std::size_t v = 0; v + 1 < kVectors; ++v) row[v] = hn::LoadU(d, b_at + v * kLanes);
    if constexpr (kKind == TileKind::kNarrow) {
      row[kVectors - 1] = last.load(d, b_at + (kVectors - 1) * kLanes);
    } else {
      row[kVectors - 1] = hn::LoadU(d, b_at + (kVectors - 1) * kLanes);
    }
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i) {
      const V factor = hn::Set(d, group[i / 3][i % 3 * stride]);
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = Fma(d, factor, row[v], sums[i][v]);
    }
    HWY_UNROLL(8)
    for (std::size_t g = 0; g < kGroups; ++g) group[g] += a_step;
  }

  store_tile(sums, out);
}

template <class T>
using TileFunction = void (*)(const Panel<T>& a, const Panel<T>& b, std::size_t steps,
                              const TileOut<T>& out);

// The tile for 1 <= rows <= kTileRows rows.
template <std::size_t kVectors, TileKind kKind, class T>
HWY_INLINE TileFunction<T> tile_of(std::size_t rows) {
  static constexpr auto kTiles = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<TileFunction<T>, sizeof...(i)>{tile<i + 1, kVectors, kKind, T>...};
  }
  (std::make_index_sequence<kTileRows>());
  return kTiles[rows - 1];
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
