// fma(a, b, c) = a*b + c rounded once, on every target (docs/arithmetic.md, section 1), and the
// single rounding from f64 to f32 it shares with the transcendental functions.
#if defined(PALINODE_TENSOR_KERNELS_FMA_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_FMA_INL_H_
#undef PALINODE_TENSOR_KERNELS_FMA_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_FMA_INL_H_
#endif

#include <cmath>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Where Highway's MulAdd is one fused instruction; elsewhere it is a multiplication and an addition
// with two roundings. A target that is not in this table does not compile.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#ifdef HWY_DISABLE_BMI2_FMA
#error "without FMA the AVX2 target would round twice"
#endif
inline constexpr bool kFusedMulAdd = true;
#elif HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
inline constexpr bool kFusedMulAdd = true;
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_SSE4
inline constexpr bool kFusedMulAdd = false;
#else
#error "decide here whether this target's MulAdd rounds once"
#endif

// The unevaluated sum hi + lo.
template <class V>
struct TwoPart {
  V hi;
  V lo;
};

// a + b without error, if |a| >= |b| or a is zero.
template <class V>
HWY_INLINE TwoPart<V> FastTwoSum(V a, V b) {
  const V hi = a + b;
  return {hi, b - (hi - a)};
}

// a + b without error, for any finite a and b whose sum is finite.
template <class V>
HWY_INLINE TwoPart<V> TwoSum(V a, V b) {
  const V hi = a + b;
  const V b_part = hi - a;
  return {hi, (a - (hi - b_part)) + (b - b_part)};
}

// The f32 nearest to v. Highway's own conversion saturates on the scalar target.
template <class DF, class V>
HWY_INLINE hn::VFromD<DF> NearestF32(DF df, V v) {
#if HWY_TARGET == HWY_SCALAR
  const hn::Rebind<double, DF> d;
  const auto beyond =
      hn::RebindMask(hn::RebindToUnsigned<decltype(d)>(), hn::Abs(v) >= hn::Set(d, 0x1.ffffffp127));
  const auto near = hn::DemoteTo(df, v);
  const auto infinity = hn::CopySign(hn::Set(df, HUGE_VALF), near);
  return beyond.bits != 0 ? infinity : near;
#else
  return hn::DemoteTo(df, v);
#endif
}

// hi + lo rounded to odd in f64: an inexact sum ends in a one, so that a later rounding to f32 sees
// on which side of a tie it lies (Boldo and Melquiond, 2008). Needs hi = round(hi + lo), not zero
// unless lo is.
template <class D, class V>
HWY_INLINE V RoundToOdd(D d, TwoPart<V> sum) {
  const hn::RebindToUnsigned<D> du;
  const auto inexact = sum.lo != hn::Zero(d);
  const auto bits = hn::BitCast(du, sum.hi);
  const auto away = hn::ShiftRight<63>(bits ^ hn::BitCast(du, sum.lo));
  const V odd = hn::BitCast(d, (bits - away) | hn::Set(du, 1));
  return hn::IfThenElse(inexact, odd, sum.hi);
}

// fma in f32 by way of f64, where the product is exact and the sum is rounded once too often only
// if it is a tie of f32, or so small that f32 has fewer digits.
template <class DF, class V>
HWY_INLINE V EmulatedFmaF32(DF df, V a, V b, V c) {
  if constexpr (hn::MaxLanes(DF()) * sizeof(double) <= HWY_MAX_BYTES) {
    const hn::Rebind<double, DF> d;
    const hn::RebindToUnsigned<decltype(d)> du;
    const auto product = hn::PromoteTo(d, a) * hn::PromoteTo(d, b);
    const auto addend = hn::PromoteTo(d, c);
    const auto sum = product + addend;
    const auto tail = hn::BitCast(du, sum) & hn::Set(du, 0x1fffffff);
    const auto tie = hn::RebindMask(d, tail == hn::Set(du, 0x10000000));
    const auto small = hn::And(hn::Abs(sum) < hn::Set(d, 0x1p-125), sum != hn::Zero(d));
    const auto doubtful = hn::Or(tie, small);
    if (HWY_LIKELY(hn::AllFalse(d, doubtful))) return NearestF32(df, sum);
    const auto odd = RoundToOdd(d, TwoSum(product, addend));
    return NearestF32(df, hn::IfThenElse(doubtful, odd, sum));
  } else {
#if HWY_TARGET == HWY_SCALAR
    return c;
#else
    const hn::Half<DF> half;
    const auto low = EmulatedFmaF32(half, hn::LowerHalf(half, a), hn::LowerHalf(half, b),
                                    hn::LowerHalf(half, c));
    const auto high = EmulatedFmaF32(half, hn::UpperHalf(half, a), hn::UpperHalf(half, b),
                                     hn::UpperHalf(half, c));
    return hn::Combine(df, high, low);
#endif
  }
}

template <class D, class V>
HWY_INLINE V EmulatedFmaF64(D d, V a, V b, V c) {
  HWY_ALIGN double as[hn::MaxLanes(D())];
  HWY_ALIGN double bs[hn::MaxLanes(D())];
  HWY_ALIGN double cs[hn::MaxLanes(D())];
  hn::Store(a, d, as);
  hn::Store(b, d, bs);
  hn::Store(c, d, cs);
  for (size_t i = 0; i < hn::MaxLanes(D()); ++i) cs[i] = std::fma(as[i], bs[i], cs[i]);
  return hn::Load(d, cs);
}

// a*b + c rounded once or twice, as the target likes: only for what quick-inl.h makes, whose bits
// do not depend on it.
template <class V>
HWY_INLINE V LooseMulAdd(V a, V b, V c) {
  return hn::MulAdd(a, b, c);
}

// a*b + c rounded once, in f32 or f64.
template <class D, class V>
HWY_INLINE V Fma(D d, V a, V b, V c) {
  if constexpr (kFusedMulAdd) {
    return hn::MulAdd(a, b, c);
  } else if constexpr (sizeof(hn::TFromD<D>) == sizeof(float)) {
    return EmulatedFmaF32(d, a, b, c);
  } else {
    return EmulatedFmaF64(d, a, b, c);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
