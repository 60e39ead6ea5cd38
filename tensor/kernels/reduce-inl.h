// Sums in 64 lanes and chunks of 4096, and row maxima (docs/arithmetic.md, section 3).

#if defined(PALINODE_TENSOR_KERNELS_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_REDUCE_INL_H_
#undef PALINODE_TENSOR_KERNELS_REDUCE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_REDUCE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kSumLanes = 64;
inline constexpr std::size_t kSumChunk = 4096;

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

// The sum of the n <= 4096 values of one chunk. value(access, i) gives the vector that starts at
// the chunk's value i, with +0 in absent lanes: a lane is never -0, so adding +0 leaves its bits
// alone.
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
      sums[v] = hn::Add(sums[v], value(Part{n - at}, at));
    }
  }

  HWY_UNROLL(8)
  for (std::size_t half = kVectors / 2; half > 0; half /= 2) {
    HWY_UNROLL(32)
    for (std::size_t v = 0; v < half; ++v) sums[v] = hn::Add(sums[v], sums[v + half]);
  }
  HWY_ALIGN T lane[kLanes];
  hn::Store(sums[0], d, lane);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lane[l] = lane[l] + lane[l + half];
  }
  return lane[0];
}

template <class T>
T sum_of(const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  ChunkSums<T> sums;
  for (std::size_t begin = 0; begin < n; begin += kSumChunk) {
    const T* chunk = x + begin;
    sums.add(chunk_sum(d, std::min(kSumChunk, n - begin), [=](auto access, std::size_t i) HWY_ATTR {
      return access.load(d, chunk + i);
    }));
  }
  return sums.total();
}

// The maximum of n >= 1 values: NaN if there is one, +0 for a zero of either sign.
template <class T>
T max_of(const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  T largest = x[0];
  bool has_nan = false;
  std::size_t i = 0;
  if (n >= kLanes) {
    auto maxima = hn::LoadU(d, x);
    auto nans = hn::IsNaN(maxima);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const auto v = hn::LoadU(d, x + i);
      nans = hn::Or(nans, hn::IsNaN(v));
      maxima = hn::IfThenElse(hn::Gt(v, maxima), v, maxima);
    }
    has_nan = !hn::AllFalse(d, nans);
    HWY_ALIGN T lane[kLanes];
    hn::Store(maxima, d, lane);
    largest = lane[0];
    for (const T one : lane) largest = one > largest ? one : largest;
  }
  for (; i < n; ++i) {
    has_nan = has_nan || x[i] != x[i];
    largest = x[i] > largest ? x[i] : largest;
  }
  return has_nan ? std::numeric_limits<T>::quiet_NaN() : largest + T{0};
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
