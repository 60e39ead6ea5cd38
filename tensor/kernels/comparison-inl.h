// The statistics of a change (change.h) of 64 elements at a time, out of registers.

#if defined(PALINODE_TENSOR_KERNELS_COMPARISON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_COMPARISON_INL_H_
#undef PALINODE_TENSOR_KERNELS_COMPARISON_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_COMPARISON_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "tensor/kernels/change.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The bits of a size, which order numbers as the numbers are: below an infinity, and that below
// NaNs.
template <class T>
using Bits = decltype(typename ChangeSum<T>::Lanes().largest);

// f32 differences are multiplied by themselves as (d * 2^96) * d, so that squares of the small
// steps of a moment keep their digits.
template <class T>
inline constexpr T kSquareScale = sizeof(T) == sizeof(float) ? T{0x1p96} : T{1};

// Of the values themselves, after a difference that is not a number or has no end.
template <class T>
bool all_finite(const T* x, std::size_t n) {
  return std::all_of(x, x + n, [](T value) { return std::isfinite(value); });
}

// First whole groups of as many elements as there are lanes of a sum, then store, the rest, finish.
template <class T>
class Comparison {
 public:
  using D = hn::ScalableTag<T>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = 64 / kLanes;

  HWY_INLINE void start(const ChangeLanes<T>& lanes) {
    HWY_UNROLL(64)
    for (std::size_t v = 0; v < kVectors; ++v) {
      squares_[v] = hn::Load(D(), lanes.squares.data() + v * kLanes);
    }
    largest_ = hn::Set(DBits(), lanes.largest);
    changed_ = 0;
  }

  // Vector v of a group. It is a constant to the compiler, which keeps the sums in registers.
  HWY_INLINE void add(hn::Vec<D> before, hn::Vec<D> after, std::size_t v) {
    squares_[v] = hn::Add(squares_[v], square(before, after));
  }

  HWY_INLINE void store(ChangeLanes<T>& lanes) const {
    HWY_UNROLL(64)
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::Store(squares_[v], D(), lanes.squares.data() + v * kLanes);
    }
  }

  // Elements from `lane` on of what is less than a group; missing ones are equal in both.
  HWY_INLINE void add_rest(hn::Vec<D> before, hn::Vec<D> after, std::size_t lane,
                           ChangeLanes<T>& lanes) {
    T* const sum = lanes.squares.data() + lane;
    hn::Store(hn::Add(hn::Load(D(), sum), square(before, after)), D(), sum);
  }

  // `after`: all n elements that were added.
  HWY_INLINE void finish(const T* after, std::size_t n, ChangeLanes<T>& lanes) const {
    lanes.largest = hn::GetLane(hn::MaxOfLanes(DBits(), largest_));
    lanes.changed += changed_;
    const T infinity = std::numeric_limits<T>::infinity();
    if (lanes.largest >= std::bit_cast<Bits<T>>(infinity)) {
      lanes.finite = lanes.finite && all_finite(after, n);
    }
  }

 private:
  using DBits = hn::RebindToUnsigned<D>;

  HWY_INLINE hn::Vec<D> square(hn::Vec<D> before, hn::Vec<D> after) {
    const auto differs = hn::Ne(hn::BitCast(DBits(), before), hn::BitCast(DBits(), after));
    changed_ += hn::CountTrue(DBits(), differs);
    const auto delta = hn::Sub(after, before);
    largest_ = hn::Max(largest_, hn::BitCast(DBits(), hn::Abs(delta)));
    const auto scaled =
        sizeof(T) == sizeof(float) ? hn::Mul(delta, hn::Set(D(), kSquareScale<T>)) : delta;
    return hn::Mul(scaled, delta);
  }

  hn::Vec<D> squares_[kVectors];
  hn::Vec<DBits> largest_;
  std::uint64_t changed_;
};

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
