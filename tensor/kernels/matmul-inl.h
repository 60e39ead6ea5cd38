// The tiles of the matrix product and the packing that feeds them (docs/arithmetic.md, section 2).
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
#include <cstddef>

#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kBlock = 256;  // values of k in a chain; part of the specification

// The tile that fills the registers. An emulated fma is slow whatever the tile, and long.
#if HWY_TARGET == HWY_AVX3
inline constexpr std::size_t kTileRows = 12;
inline constexpr std::size_t kTileVectors = 2;
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_SSE4
inline constexpr std::size_t kTileRows = 2;
inline constexpr std::size_t kTileVectors = 1;
#else
inline constexpr std::size_t kTileRows = 6;
inline constexpr std::size_t kTileVectors = 2;
#endif

// One operand of a tile: lane or row x of step p is at data[p * step + x * stride].
template <class T>
struct Panel {
  const T* data;
  std::size_t step;
  std::size_t stride;
};

// Where a tile goes: rows of c, `row` apart. cols of them are stored.
template <class T>
struct TileOut {
  T* c;
  std::size_t row;
  std::size_t cols;
  const T* bias;  // added after the last block only; null before and for none
  bool first;     // the first block is stored, later ones are added
};

template <class D, class Access, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void store_block(D d, const Access& access, V block, const TileOut<T>& out, T* c,
                            std::size_t j) {
  if (!out.first) block = hn::Add(access.load(d, c), block);
  if (out.bias != nullptr) block = hn::Add(block, access.load(d, out.bias + j));
  access.store(d, block, c);
}

// One block of a tile of kRows x kVectors * Lanes(d) outputs. With kPacked, a.stride is 1 and
// a.step is kRows, known to the compiler. Not inlined: inlined, the accumulators spill.
template <std::size_t kRows, std::size_t kVectors, bool kPacked, class T>
HWY_NOINLINE void tile(const Panel<T>& a, const Panel<T>& b, std::size_t steps,
                       const TileOut<T>& out) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  using V = hn::Vec<hn::ScalableTag<T>>;
  const std::size_t a_step = kPacked ? kRows : a.step;
  const std::size_t a_stride = kPacked ? 1 : a.stride;
  V sums[kRows][kVectors];
  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }

  const T* a_at = a.data;
  const T* b_at = b.data;
  for (std::size_t p = 0; p < steps; ++p, a_at += a_step, b_at += b.step) {
    V row[kVectors];
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b_at + v * kLanes);
    HWY_UNROLL(16)
    for (std::size_t i = 0; i < kRows; ++i) {
      const V factor = hn::Set(d, a_at[i * a_stride]);
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = Fma(d, factor, row[v], sums[i][v]);
    }
  }

  HWY_UNROLL(16)
  for (std::size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t j = v * kLanes;
      T* c = out.c + i * out.row + j;
      if (j + kLanes <= out.cols) {
        store_block(d, Whole{}, sums[i][v], out, c, j);
      } else if (j < out.cols) {
        store_block(d, Part{out.cols - j}, sums[i][v], out, c, j);
      }
    }
  }
}

// The tile for `rows` <= kRows rows.
template <std::size_t kRows, std::size_t kVectors, bool kPacked, class T>
HWY_INLINE void tile_of(std::size_t rows, const Panel<T>& a, const Panel<T>& b, std::size_t steps,
                        const TileOut<T>& out) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return tile_of<kRows - 1, kVectors, kPacked>(rows, a, b, steps, out);
  }
  tile<kRows, kVectors, kPacked>(a, b, steps, out);
}

// Writes 16-byte rows as columns: a square of 4 x 4 f32 or 2 x 2 f64 (1 x 1 in plain C++).
template <class T>
HWY_INLINE void transpose_square(const T* from, std::size_t from_stride, T* to,
                                 std::size_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  to[0] = from[0];
  static_cast<void>(from_stride);
  static_cast<void>(to_stride);
#else
  const hn::FixedTag<T, 16 / sizeof(T)> d;
  const auto r0 = hn::LoadU(d, from);
  const auto r1 = hn::LoadU(d, from + from_stride);
  if constexpr (sizeof(T) == sizeof(double)) {
    hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
    hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + to_stride);
  } else {
    const auto r2 = hn::LoadU(d, from + 2 * from_stride);
    const auto r3 = hn::LoadU(d, from + 3 * from_stride);
    const auto low02 = hn::InterleaveLower(d, r0, r2);
    const auto low13 = hn::InterleaveLower(d, r1, r3);
    const auto high02 = hn::InterleaveUpper(d, r0, r2);
    const auto high13 = hn::InterleaveUpper(d, r1, r3);
    hn::StoreU(hn::InterleaveLower(d, low02, low13), d, to);
    hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, to + to_stride);
    hn::StoreU(hn::InterleaveLower(d, high02, high13), d, to + 2 * to_stride);
    hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, to + 3 * to_stride);
  }
#endif
}

// to[p * width + x] = from element x of step p, for x < count; zeros from there to width.
template <class T>
HWY_INLINE void pack_panel(const Panel<T>& from, std::size_t steps, std::size_t count, T* to,
                           std::size_t width) {
  constexpr std::size_t kSide = HWY_TARGET == HWY_SCALAR ? 1 : 16 / sizeof(T);
  if (from.stride == 1) {
    const hn::ScalableTag<T> d;
    for (std::size_t p = 0; p < steps; ++p) {
      const T* source = from.data + p * from.step;
      T* target = to + p * width;
      for_each_vector(d, count, [=](auto access, std::size_t x) HWY_ATTR {
        access.store(d, access.load(d, source + x), target + x);
      });
      std::fill(target + count, target + width, T{0});
    }
    return;
  }
  std::size_t x = 0;
  if (from.step == 1) {
    for (; x + kSide <= count; x += kSide) {
      const T* source = from.data + x * from.stride;
      std::size_t p = 0;
      for (; p + kSide <= steps; p += kSide) {
        transpose_square(source + p, from.stride, to + p * width + x, width);
      }
      for (; p < steps; ++p) {
        for (std::size_t y = 0; y < kSide; ++y) to[p * width + x + y] = source[p + y * from.stride];
      }
    }
  }
  for (; x < width; ++x) {
    const T* source = from.data + x * from.stride;
    for (std::size_t p = 0; p < steps; ++p) {
      to[p * width + x] = x < count ? source[p * from.step] : T{0};
    }
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
