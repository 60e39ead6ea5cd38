// The fast variants of exp, log, tanh, sigmoid, gelu_tanh and 1/sqrt (docs/arithmetic.md, section
// 10, where every step is written out). f32 only, at most 1.5 ULP from the exact value.
//
// All work in f32 lanes. Where a step's rounding would show in the result, its error is kept as a
// second part, which one Fma finds. Coefficients are minimax (Remez), rounded to f32 one by one.
#if defined(PALINODE_TENSOR_KERNELS_FAST_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_FAST_INL_H_
#undef PALINODE_TENSOR_KERNELS_FAST_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_FAST_INL_H_
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

namespace fast {

// Adding this rounds to an integer, which the low bits of the sum then hold.
inline constexpr float kRounder = 0x1.8p23f;
inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kLn2High = 0x1.62e430p-1f;
inline constexpr float kLn2Low = -0x1.05c610p-29f;

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2.
inline constexpr float kExp[] = {0x1.000000p-1f, 0x1.5554aap-3f, 0x1.55553ap-5f, 0x1.122c54p-7f,
                                 0x1.6ccea2p-10f};
// (log(1 + f) - f) / f^2 for |f| <= 1/3.
inline constexpr float kLog[] = {-0x1.000000p-1f, 0x1.5554eep-2f,  -0x1.ffffd8p-3f,
                                 0x1.99db04p-3f,  -0x1.556ec8p-3f, 0x1.1e2ab2p-3f,
                                 -0x1.f89f1cp-4f, 0x1.2191b2p-3f,  -0x1.f6a9c8p-4f};
// 2 sqrt(2 / pi), and the same times 0.044715, in two parts each. The first part has 21 bits.
inline constexpr float kGeluA = 0x1.988450p+0f;
inline constexpr float kGeluALow = 0x1.9ea1b2p-23f;
inline constexpr float kGeluB = 0x1.2444f2p-4f;
inline constexpr float kGeluBLow = 0x1.49b16ap-29f;

// c[i] + x * (c[i+1] + x * (...)), one Fma a step, from the last coefficient inwards.
template <size_t i = 0, size_t n, class D, class V>
HWY_INLINE V Horner(D d, V x, const float (&c)[n]) {
  if constexpr (i + 1 == n) {
    return hn::Set(d, c[i]);
  } else {
    return Fma(d, Horner<i + 1>(d, x, c), x, hn::Set(d, c[i]));
  }
}

// limit where x > limit, x elsewhere and where x is NaN.
template <class D, class V>
HWY_INLINE V AtMost(D d, V x, float limit) {
  return hn::IfThenElse(x > hn::Set(d, limit), hn::Set(d, limit), x);
}

template <class D, class V>
HWY_INLINE V AtLeast(D d, V x, float limit) {
  return hn::IfThenElse(x < hn::Set(d, limit), hn::Set(d, limit), x);
}

// 2^(k + shift), where `shifted` is kRounder + k and `one` is 2^shift.
template <class D, class V>
HWY_INLINE V PowerOfTwo(D d, V shifted, V one) {
  const hn::RebindToUnsigned<D> du;
  const auto k = hn::ShiftLeft<23>(hn::BitCast(du, shifted));
  return hn::BitCast(d, k + hn::BitCast(du, one));
}

// e^r - 1 for |r| <= ln(2) / 2.
template <class D, class V>
HWY_INLINE V SmallExpm1(D d, V r) {
  return Fma(d, r * r, Horner(d, r, kExp), r);
}

// e^(x + low) = 2^k (1 + t): returns t, and kRounder + k in `shifted`.
template <class D, class V>
HWY_INLINE V ReducedExpm1(D d, V x, V low, V& shifted) {
  shifted = Fma(d, x, hn::Set(d, kLog2E), hn::Set(d, kRounder));
  const V k = shifted - hn::Set(d, kRounder);
  const V high = Fma(d, k, hn::Set(d, -kLn2High), x);
  return SmallExpm1(d, high + Fma(d, k, hn::Set(d, -kLn2Low), low));
}

// n / m for unevaluated sums.
template <class D, class V>
HWY_INLINE V Divide(D d, TwoPart<V> n, TwoPart<V> m) {
  const V reciprocal = hn::Set(d, 1.0f) / m.hi;
  const V q = n.hi * reciprocal;
  const V rest = hn::Neg(q);
  return Fma(d, Fma(d, rest, m.hi, n.hi) + Fma(d, rest, m.lo, n.lo), reciprocal, q);
}

// e^(x + low) as an unevaluated sum; where `tiny`, 2^64 times it.
template <class D, class V, class M>
HWY_INLINE TwoPart<V> TwoPartExp(D d, V x, V low, M tiny) {
  V shifted;
  const V t = ReducedExpm1(d, x, low, shifted);
  const V one = hn::Set(d, 1.0f);
  const V scale = PowerOfTwo(d, shifted, hn::IfThenElse(tiny, hn::Set(d, 0x1p64f), one));
  const auto sum = FastTwoSum(one, t);
  return {sum.hi * scale, sum.lo * scale};
}

}  // namespace fast

template <class D, class V>
HWY_INLINE V ExpFast(D d, V x) {
  const hn::RebindToSigned<D> di;
  x = fast::AtLeast(d, x, -104.0f);
  const V rounder = hn::Set(d, fast::kRounder);
  // Beyond k = 129 the rest r grows instead, and the result is infinite all the same.
  const V shifted =
      hn::BitCast(d, hn::Min(hn::BitCast(di, Fma(d, x, hn::Set(d, fast::kLog2E), rounder)),
                             hn::BitCast(di, hn::Set(d, fast::kRounder + 129.0f))));
  const V k = shifted - rounder;
  const V r = Fma(d, k, hn::Set(d, -fast::kLn2Low), Fma(d, k, hn::Set(d, -fast::kLn2High), x));
  const V y = hn::Set(d, 1.0f) + fast::SmallExpm1(d, r);
  // The scale is split so that a subnormal result is rounded where it is formed.
  const auto negative = x < hn::Zero(d);
  const V small = hn::Set(d, 0x1p-64f);
  const V large = hn::Set(d, 0x1p64f);
  const V scaled = y * fast::PowerOfTwo(d, shifted, hn::IfThenElse(negative, large, small));
  return scaled * hn::IfThenElse(negative, small, large);
}

namespace fast {

// log(x) for positive normal x, where x = 2^k (1 + f), plus `bias` ln 2.
template <class D, class V>
HWY_INLINE V NormalLog(D d, V x, V bias) {
  const hn::RebindToSigned<D> di;
  const auto offset = hn::Set(di, 0x3f2aaaab);
  const auto bits = hn::BitCast(di, x) - offset;
  const V k = hn::ConvertTo(d, hn::ShiftRight<23>(bits)) + bias;
  const V m = hn::BitCast(d, (bits & hn::Set(di, 0x007fffff)) + offset);
  const V f = m - hn::Set(d, 1.0f);
  const V tail = Fma(d, k, hn::Set(d, kLn2Low), (f * f) * Horner(d, f, kLog));
  return Fma(d, k, hn::Set(d, kLn2High), f + tail);
}

// Whether x is positive, finite and not subnormal.
template <class D, class V>
HWY_INLINE hn::Mask<D> IsPositiveNormal(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto place = hn::BitCast(di, x) + hn::Set(di, 0x7f800000);
  return hn::RebindMask(d, place < hn::Set(di, -0x01000000));
}

}  // namespace fast

template <class D, class V>
HWY_INLINE V LogFast(D d, V x) {
  const V zero = hn::Zero(d);
  if (HWY_LIKELY(hn::AllTrue(d, fast::IsPositiveNormal(d, x)))) {
    return fast::NormalLog(d, x, zero);
  }
  const auto subnormal = x < hn::Set(d, 0x1p-126f);
  const V scaled = hn::IfThenElse(subnormal, x * hn::Set(d, 0x1p23f), x);
  const V y = fast::NormalLog(d, scaled, hn::IfThenElse(subnormal, hn::Set(d, -23.0f), zero));
  const V infinity = hn::Set(d, HUGE_VALF);
  const V nan = hn::Set(d, std::numeric_limits<float>::quiet_NaN());
  const V special =
      hn::IfThenElse(x == zero, hn::Neg(infinity), hn::IfThenElse(x == infinity, infinity, nan));
  return hn::IfThenElse(hn::And(x > zero, x < infinity), y, special);
}

// With e = e^-2|x|, (1 - e) / (1 + e).
template <class D, class V>
HWY_INLINE V TanhFast(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  // Beyond 9.1 the result is 1 to the last bit.
  const V size = fast::AtMost(d, hn::Abs(x), 9.1f);
  V shifted;
  const V t = fast::ReducedExpm1(d, size * hn::Set(d, -2.0f), hn::Zero(d), shifted);
  const V scale = fast::PowerOfTwo(d, shifted, one);
  const V minus = hn::Neg(t);
  const V less = one - scale;
  const V above = Fma(d, scale, minus, less);
  const V above_low = Fma(d, scale, minus, less - above);
  const V below = Fma(d, scale, t, one + scale);
  const V below_low = Fma(d, scale, t, scale - (below - one));
  const V y = fast::Divide(d, TwoPart<V>{above, above_low}, TwoPart<V>{below, below_low});
  return hn::Or(y, hn::And(x, hn::Set(d, -0.0f)));
}

namespace fast {

// 1 + e * outer.
template <class D, class V>
HWY_INLINE TwoPart<V> OnePlus(D d, TwoPart<V> e, V outer) {
  const V one = hn::Set(d, 1.0f);
  const V high = Fma(d, e.hi, outer, one);
  return {high, Fma(d, e.lo, outer, Fma(d, e.hi, outer, one - high))};
}

// x * e.
template <class D, class V>
HWY_INLINE TwoPart<V> Times(D d, V x, TwoPart<V> e) {
  const V high = x * e.hi;
  return {high, Fma(d, x, e.lo, Fma(d, x, e.hi, hn::Neg(high)))};
}

}  // namespace fast

// With e = e^-|x|: e / (1 + e) below 0, 1 / (1 + e) elsewhere.
template <class D, class V>
HWY_INLINE V SigmoidFast(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V zero = hn::Zero(d);
  // Outside, the result is 0 or 1 to the last bit.
  x = fast::AtMost(d, fast::AtLeast(d, x, -104.0f), 40.0f);
  const auto negative = x < zero;
  const auto tiny = x < hn::Set(d, -40.0f);
  const V outer = hn::IfThenElse(tiny, hn::Set(d, 0x1p-64f), one);
  const auto e = fast::TwoPartExp(d, hn::Neg(hn::Abs(x)), zero, tiny);
  const TwoPart<V> above = {hn::IfThenElse(negative, e.hi, one),
                            hn::IfThenElse(negative, e.lo, zero)};
  return fast::Divide(d, above, fast::OnePlus(d, e, outer)) * outer;
}

// x times the sigmoid of 2u = x (a + b x^2).
template <class D, class V>
HWY_INLINE V GeluTanhFast(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V zero = hn::Zero(d);
  // Below, the result is -0 to the last bit; above 6 it is x.
  const V inside = fast::AtLeast(d, x, -11.0f);
  const auto negative = inside < zero;
  const auto tiny = inside < hn::Set(d, -6.0f);
  const V outer = hn::IfThenElse(tiny, hn::Set(d, 0x1p-64f), one);
  // s = a + b x^2 < 16; the high part of a is a multiple of the last place of s.
  const V z = inside * inside;
  const V z_low = Fma(d, inside, inside, hn::Neg(z));
  const V a = hn::Set(d, fast::kGeluA);
  const V b = hn::Set(d, fast::kGeluB);
  const V s = Fma(d, b, z, a);
  const V rest =
      Fma(d, b, z_low, Fma(d, hn::Set(d, fast::kGeluBLow), z, hn::Set(d, fast::kGeluALow)));
  const V s_low = Fma(d, b, z, a - s) + rest;
  const auto u = fast::Times(d, hn::Neg(hn::Abs(inside)), TwoPart<V>{s, s_low});
  const auto e = fast::TwoPartExp(d, u.hi, u.lo, tiny);
  const auto product = fast::Times(d, inside, e);
  const TwoPart<V> above = {hn::IfThenElse(negative, product.hi, inside),
                            hn::IfThenElse(negative, product.lo, zero)};
  const V y = fast::Divide(d, above, fast::OnePlus(d, e, outer)) * outer;
  return hn::IfThenElse(x > hn::Set(d, 6.0f), x, hn::Or(y, hn::And(x, hn::Set(d, -0.0f))));
}

// Newton's iteration from the bits of x; numbers that are not positive and normal take the exact
// operations.
template <class D, class V>
HWY_INLINE V RsqrtFast(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const V one = hn::Set(d, 1.0f);
  const V guess = hn::BitCast(d, hn::Set(du, 0x5f3759df) - hn::ShiftRight<1>(hn::BitCast(du, x)));
  const V e = Fma(d, hn::Neg(x * guess), guess, one);
  const V slope = Fma(d, hn::Set(d, 0x1.8p-2f), e, hn::Set(d, 0x1.00966p-1f));
  const V near = Fma(d, guess * e, slope, guess);
  const V rest = Fma(d, hn::Neg(x * near), near, one);
  const V y = Fma(d, near * hn::Set(d, 0.5f), rest, near);
  const auto ordinary = fast::IsPositiveNormal(d, x);
  if (HWY_LIKELY(hn::AllTrue(d, ordinary))) return y;
  return hn::IfThenElse(ordinary, y, one / hn::Sqrt(x));
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
