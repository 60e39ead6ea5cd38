// The fast variants of sin and cos (docs/arithmetic.md, section 10). f32 only, at most 1.5 ULP from
// the exact value for every input, however large.
#if defined(PALINODE_TENSOR_KERNELS_FAST_TRIG_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_FAST_TRIG_INL_H_
#undef PALINODE_TENSOR_KERNELS_FAST_TRIG_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_FAST_TRIG_INL_H_
#endif

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "tensor/kernels/fast-inl.h"
#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

namespace fast {

// (sin(r) / r - 1) / z and (cos(r) - 1) / z in powers of z = r^2, for |r| <= pi / 4.
inline constexpr float kSin[] = {-0x1.555546p-3f, 0x1.11077cp-7f, -0x1.9955aep-13f};
inline constexpr float kCos[] = {-0x1p-1f, 0x1.55554ap-5f, -0x1.6c0c1ap-10f, 0x1.99e0eep-16f};
inline constexpr float kTwoOverPi = 0x1.45f306p-1f;
// pi / 2 in three parts.
inline constexpr float kHalfPiHigh = 0x1.921fb6p+0f;
inline constexpr float kHalfPiMiddle = -0x1.777a5cp-25f;
inline constexpr float kHalfPiLow = -0x1.ee59dap-50f;
inline constexpr float kLargeAngle = 0x1p17f;

// An angle after some quarter turns, whose number modulo 4 is in the last two bits of `shifted`.
template <class V>
struct Reduced {
  V shifted;
  TwoPart<V> angle;
};

// For 0 <= x < kLargeAngle (Cody and Waite, 1980).
template <class D, class V>
HWY_INLINE Reduced<V> ReduceAngle(D d, V x) {
  const V rounder = hn::Set(d, kRounder);
  const V shifted = Fma(d, x, hn::Set(d, kTwoOverPi), rounder);
  const V k = shifted - rounder;
  const V high = Fma(d, k, hn::Set(d, -kHalfPiHigh), x);
  const V middle = Fma(d, k, hn::Set(d, -kHalfPiMiddle), high);
  // middle + rest = high - k * kHalfPiMiddle; the difference is inexact where they nearly cancel.
  const V difference = high - middle;
  const V lost = (high - difference) - middle;
  const V rest = Fma(d, k, hn::Set(d, -kHalfPiMiddle), difference) + lost;
  return {shifted, FastTwoSum(middle, Fma(d, k, hn::Set(d, -kHalfPiLow), rest))};
}

// For finite x >= kLargeAngle: x = m 2^e with an integer m, and 2 / pi without the bits that add
// whole turns to the product (Payne and Hanek, 1983).
inline Reduced<float> ReduceLargeAngle(float x) {
  constexpr std::uint32_t kTwoOverPiBits[] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1,
                                              0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint64_t m = (bits & 0x007fffff) | 0x00800000;
  const std::uint32_t start = (bits >> 23) - 120;
  const std::uint32_t* word = kTwoOverPiBits + start / 32;
  const std::uint32_t shift = start % 32;
  const auto pair = [&](std::size_t i) { return (std::uint64_t{word[i]} << 32) | word[i + 1]; };
  const std::uint64_t first = (pair(0) << shift >> 32) & 0xffffffff;
  const std::uint64_t second = (pair(1) << shift >> 32) & 0xffffffff;
  const std::uint64_t third = (pair(2) << shift >> 32) & 0xffffffff;
  // In units of 2^-62 quarter turns, modulo a whole turn.
  const std::uint64_t product = ((m * first) << 32) + m * second + ((m * third) >> 32);
  const std::uint64_t quadrant = (product + (std::uint64_t{1} << 61)) >> 62;
  const auto fraction = static_cast<std::int64_t>(product - (quadrant << 62));
  const double angle = static_cast<double>(fraction) * 0x1.921fb54442d18p-62;
  const auto high = static_cast<float>(angle);
  return {kRounder + static_cast<float>(quadrant),
          {high, static_cast<float>(angle - static_cast<double>(high))}};
}

template <class D, class V>
HWY_NOINLINE Reduced<V> ReduceAnyAngle(D d, V x) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  HWY_ALIGN float angles[kLanes];
  HWY_ALIGN float shifted[kLanes];
  HWY_ALIGN float high[kLanes];
  HWY_ALIGN float low[kLanes];
  const auto small = ReduceAngle(d, x);
  hn::Store(x, d, angles);
  hn::Store(small.shifted, d, shifted);
  hn::Store(small.angle.hi, d, high);
  hn::Store(small.angle.lo, d, low);
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (angles[i] < kLargeAngle) continue;
    if (angles[i] > std::numeric_limits<float>::max() || angles[i] != angles[i]) {
      high[i] = std::numeric_limits<float>::quiet_NaN();
      continue;
    }
    const auto large = ReduceLargeAngle(angles[i]);
    shifted[i] = large.shifted;
    high[i] = large.angle.hi;
    low[i] = large.angle.lo;
  }
  return {hn::Load(d, shifted), {hn::Load(d, high), hn::Load(d, low)}};
}

// The sine of x >= 0 plus `quarters` quarter turns.
template <std::uint32_t quarters, class D, class V>
HWY_INLINE V SinOfPositive(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const auto ordinary = hn::AllTrue(d, x < hn::Set(d, kLargeAngle));
  const auto reduced = HWY_LIKELY(ordinary) ? ReduceAngle(d, x) : ReduceAnyAngle(d, x);
  const V r = reduced.angle.hi;
  const V low = reduced.angle.lo;
  const V z = Fma(d, r, r, (low + low) * r);
  const V sin = r + Fma(d, z * r, Horner(d, z, kSin), low);
  const V cos = Fma(d, z, Horner(d, z, kCos), hn::Set(d, 1.0f));
  const auto quadrant = hn::BitCast(du, reduced.shifted) + hn::Set(du, quarters);
  const auto one = hn::Set(du, 1);
  const auto odd = hn::RebindMask(d, (quadrant & one) == one);
  const auto sign = hn::ShiftLeft<30>(quadrant & hn::Set(du, 2));
  return hn::Xor(hn::IfThenElse(odd, cos, sin), hn::BitCast(d, sign));
}

}  // namespace fast

template <class D, class V>
HWY_INLINE V SinFast(D d, V x) {
  return hn::Xor(fast::SinOfPositive<0>(d, hn::Abs(x)), hn::And(x, hn::Set(d, -0.0f)));
}

template <class D, class V>
HWY_INLINE V CosFast(D d, V x) {
  return fast::SinOfPositive<1>(d, hn::Abs(x));
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
