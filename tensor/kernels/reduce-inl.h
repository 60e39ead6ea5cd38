// Sums in 64 lanes and chunks of 4096, and row maxima (docs/arithmetic.md, section 3).

#if defined(PALINODE_TENSOR_KERNELS_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_REDUCE_INL_H_
#undef PALINODE_TENSOR_KERNELS_REDUCE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_REDUCE_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kSumLanes = 64;
inline constexpr std::size_t kSumChunk = 4096;
inline constexpr std::size_t kColumnBlock = 256;  // rows

// Combines chunk sums like a binary counter: the bits of `count_` say which powers of two are
// pending.
template <class T>
class ChunkSums {
 public:
  void add(T newer) {
    for (std::size_t bits = count_; (bits & 1) != 0; bits >>= 1) newer = pending_[--depth_] + newer;
    pending_[depth_++] = newer;
    ++count_;
  }

  T total() const {
    if (depth_ == 0) return T{0};
    T result = pending_[depth_ - 1];
    for (std::size_t i = depth_ - 1; i > 0; --i) result = pending_[i - 1] + result;
    return result;
  }

 private:
  T pending_[std::numeric_limits<std::size_t>::digits];
  std::size_t depth_ = 0;
  std::size_t count_ = 0;
};

// op(lane i, lane i + h) for h = half the lanes, a quarter, ..., 1.
template <class D, class V, class Op>
HWY_INLINE hn::TFromD<D> fold_lanes(D /*d*/, V v, [[maybe_unused]] const Op& op) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> half;
    return fold_lanes(half, op(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), op);
  }
#endif
  return hn::GetLane(v);
}

// The sum of the n <= 4096 values of one chunk. value(access, i) gives the vector that starts at
// the chunk's value i, whatever in absent lanes: they count as +0, which leaves the bits of a sum
// alone, for it is never -0.
template <class D, class Value, class T = hn::TFromD<D>>
HWY_INLINE T chunk_sum(D d, std::size_t n, const Value& value) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  constexpr std::size_t kVectors = kSumLanes / kLanes;
  hn::Vec<D> sums[kVectors];
  HWY_UNROLL(64)
  for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::Zero(d);

  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    HWY_UNROLL(64)
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[v] = hn::Add(sums[v], value(Whole{}, i + v * kLanes));
    }
  }
  HWY_UNROLL(64)
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t at = i + v * kLanes;
    if (at + kLanes <= n) {
      sums[v] = hn::Add(sums[v], value(Whole{}, at));
    } else if (at < n) {
      const auto part = value(Part{n - at}, at);
      sums[v] = hn::Add(sums[v], hn::IfThenElseZero(hn::FirstN(d, n - at), part));
    }
  }

  HWY_UNROLL(8)
  for (std::size_t half = kVectors / 2; half > 0; half /= 2) {
    HWY_UNROLL(32)
    for (std::size_t v = 0; v < half; ++v) sums[v] = hn::Add(sums[v], sums[v + half]);
  }
  return fold_lanes(d, sums[0], [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
}

// The sum of n values of which value(access, i) gives the vector that starts at i.
template <class D, class Value, class T = hn::TFromD<D>>
HWY_INLINE T sum_each(D d, std::size_t n, const Value& value) {
  ChunkSums<T> sums;
  std::size_t begin = 0;
  const auto in_chunk = [&](auto access, std::size_t i)
                            HWY_ATTR { return value(access, begin + i); };
  for (; begin + kSumChunk <= n; begin += kSumChunk) sums.add(chunk_sum(d, kSumChunk, in_chunk));
  if (begin < n) sums.add(chunk_sum(d, n - begin, in_chunk));
  return sums.total();
}

template <class T>
T sum_of(const T* x, std::size_t n) {
  // Beyond the second cache the processor alone fetches too late; within it, asking costs time.
  constexpr std::size_t kPrefetchFrom = (std::size_t{2} << 20) / sizeof(T);
  constexpr std::size_t kAhead = 8192 / sizeof(T);
  const hn::ScalableTag<T> d;
  if (n < kPrefetchFrom) {
    return sum_each(d, n,
                    [=](auto access, std::size_t i) HWY_ATTR { return access.load(d, x + i); });
  }
  return sum_each(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    if (i * sizeof(T) % 64 == 0) hwy::Prefetch(x + i + kAhead);
    return access.load(d, x + i);
  });
}

// The sums of kVectors vectors of columns from column j on, block after block.
template <std::size_t kVectors, class D, class Access, class Value, class T = hn::TFromD<D>>
HWY_INLINE void sum_column_strip(D d, const Access& access, std::size_t rows, std::size_t j,
                                 const Value& value, T* out) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  hn::Vec<D> totals[kVectors];
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < kVectors; ++v) totals[v] = hn::Zero(d);
  for (std::size_t block = 0; block < rows; block += kColumnBlock) {
    hn::Vec<D> sums[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::Zero(d);
    const std::size_t block_end = std::min(rows, block + kColumnBlock);
    for (std::size_t i = block; i < block_end; ++i) {
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[v] = hn::Add(sums[v], value(access, i, j + v * kLanes));
      }
    }
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) {
      totals[v] = block == 0 ? sums[v] : hn::Add(totals[v], sums[v]);
    }
  }
  HWY_UNROLL(4)
  for (std::size_t v = 0; v < kVectors; ++v) access.store(d, totals[v], out + j + v * kLanes);
}

// out[j] = the sum of column j for j in [begin, end), in blocks of 256 rows. value(access, i, j)
// gives the vector of row i that starts at column j.
template <class D, class Value, class T = hn::TFromD<D>>
HWY_INLINE void sum_columns(D d, std::size_t rows, std::size_t begin, std::size_t end,
                            const Value& value, T* out) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  std::size_t j = begin;
  for (; j + 4 * kLanes <= end; j += 4 * kLanes) {
    sum_column_strip<4>(d, Whole{}, rows, j, value, out);
  }
  for (; j + kLanes <= end; j += kLanes) sum_column_strip<1>(d, Whole{}, rows, j, value, out);
  if (j < end) sum_column_strip<1>(d, Part{end - j}, rows, j, value, out);
}

// The maximum of n >= 1 values: NaN if there is one, +0 for a zero of either sign. Four vectors at
// a time, which meet in an order that does not matter.
template <class T>
T max_of(const T* x, std::size_t n) {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kVectors = 4;
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto larger = [](auto a, auto b) HWY_ATTR { return hn::IfThenElse(hn::Gt(b, a), b, a); };
  T largest = x[0];
  bool has_nan = false;
  std::size_t i = 0;
  if (n >= kLanes) {
    V maxima[kVectors];
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < kVectors; ++v) maxima[v] = hn::LoadU(d, x);
    auto nans = hn::IsNaN(maxima[0]);
    for (; i + kVectors * kLanes <= n; i += kVectors * kLanes) {
      HWY_UNROLL(4)
      for (std::size_t v = 0; v < kVectors; ++v) {
        const V value = hn::LoadU(d, x + i + v * kLanes);
        nans = hn::Or(nans, hn::IsNaN(value));
        maxima[v] = larger(maxima[v], value);
      }
    }
    for (; i + kLanes <= n; i += kLanes) {
      const V value = hn::LoadU(d, x + i);
      nans = hn::Or(nans, hn::IsNaN(value));
      maxima[0] = larger(maxima[0], value);
    }
    has_nan = !hn::AllFalse(d, nans);
    const V one = larger(larger(maxima[0], maxima[1]), larger(maxima[2], maxima[3]));
    largest = fold_lanes(d, one, larger);
  }
  for (; i < n; ++i) {
    has_nan = has_nan || x[i] != x[i];
    largest = x[i] > largest ? x[i] : largest;
  }
  return has_nan ? std::numeric_limits<T>::quiet_NaN() : largest + T{0};
}

// The place of the first of the n >= 1 values that is the maximum, or NaN if there is one.
template <class T>
std::size_t argmax_of(const T* x, std::size_t n) {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  const hn::ScalableTag<T> d;
  const T largest = max_of(x, n);
  const bool has_nan = largest != largest;
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto value = hn::LoadU(d, x + i);
    const auto hit = has_nan ? hn::IsNaN(value) : hn::Eq(value, hn::Set(d, largest));
    const std::intptr_t lane = hn::FindFirstTrue(d, hit);
    if (lane >= 0) return i + static_cast<std::size_t>(lane);
  }
  while (has_nan ? x[i] == x[i] : x[i] != largest) ++i;
  return i;
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
