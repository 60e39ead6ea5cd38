// The fast variants of erf and of gelu in its exact form (docs/arithmetic.md, section 10). f32
// only, at most 1.5 ULP from the exact value.
#if defined(PALINODE_TENSOR_KERNELS_FAST_ERF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_FAST_ERF_INL_H_
#undef PALINODE_TENSOR_KERNELS_FAST_ERF_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_FAST_ERF_INL_H_
#endif

#include "hwy/highway.h"
#include "tensor/kernels/fast-inl.h"
#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

namespace fast {

// erf(x) / x - 1 in powers of z = x^2, for |x| <= 0.9.
inline constexpr float kErfSmall[] = {0x1.06eba8p-3f,  -0x1.812740p-2f, 0x1.ce2d60p-4f,
                                      -0x1.b8007ap-6f, 0x1.5441a4p-8f,  -0x1.a5aa6cp-11f,
                                      0x1.4de160p-14f};
// -log(1 - erf(a)) / a for 0.9 <= a <= 3.93.
inline constexpr float kErfLarge[] = {0x1.20ee4ap+0f,  0x1.45392ep-1f, 0x1.b2ce18p-4f,
                                      -0x1.84259cp-6f, 0x1.d903f8p-9f, -0x1.49d946p-12f,
                                      0x1.5d601cp-17f};
// (P(v) - P(0)) / v for P = (a + 2) e^(a^2 / 2) erfc(a / sqrt(2)) / 2 and v = 1 / (a + 2) -
// kMillsCenter, 0 <= a <= 14.6; then P(0) in two parts.
inline constexpr float kMills[] = {0x1.3dbd08p+0f,  0x1.c2b2e4p-1f, -0x1.02ca8ap+1f,
                                   -0x1.48b54ep+1f, 0x1.008beep+3f, 0x1.00a4e0p+2f,
                                   -0x1.3fd46ep+5f, 0x1.1e2438p+5f, 0x1.f94fe4p+6f,
                                   -0x1.687a76p+8f, 0x1.22f098p+8f};
inline constexpr float kMillsHigh = 0x1.2f105ap-1f;
inline constexpr float kMillsLow = 0x1.60cbbep-27f;
inline constexpr float kMillsCenter = 0x1.8p-3f;

// e^(a^2 / 2) erfc(a / sqrt(2)) / 2 for 0 <= a <= 14.6, as p * w with p = P(v) and w = 1 / (a + 2).
template <class D, class V>
HWY_INLINE TwoPart<V> MillsRatio(D d, V a) {
  const V two = hn::Set(d, 2.0f);
  const V one = hn::Set(d, 1.0f);
  const V sum = a + two;
  const V sum_low = a - (sum - two);
  const V w = one / sum;
  const V minus = hn::Neg(w);
  const V w_low = w * Fma(d, minus, sum_low, Fma(d, minus, sum, one));
  const V v = w - hn::Set(d, kMillsCenter);
  const V slope = Horner(d, v, kMills);
  const V rise = slope * v;
  const V rise_low = Fma(d, slope, w_low, Fma(d, slope, v, hn::Neg(rise)));
  const auto p = FastTwoSum(hn::Set(d, kMillsHigh), rise);
  const V p_low = p.lo + (rise_low + hn::Set(d, kMillsLow));
  const V high = p.hi * w;
  return {high, Fma(d, p.hi, w_low, Fma(d, p_low, w, Fma(d, p.hi, w, hn::Neg(high))))};
}

}  // namespace fast

template <class D, class V>
HWY_INLINE V ErfFast(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  // Beyond 3.93 the result is 1 to the last bit.
  const V size = fast::AtMost(d, hn::Abs(x), 3.93f);
  const V z = size * size;
  const V near = Fma(d, size, fast::Horner(d, z, fast::kErfSmall), size);
  const V exponent = hn::Neg(size * fast::Horner(d, size, fast::kErfLarge));
  V shifted;
  const V t = fast::ReducedExpm1(d, exponent, hn::Zero(d), shifted);
  const V scale = fast::PowerOfTwo(d, shifted, one);
  const V far = one - Fma(d, scale, t, scale);
  const V y = hn::IfThenElse(size > hn::Set(d, 0.9f), far, near);
  return hn::Or(y, hn::And(x, hn::Set(d, -0.0f)));
}

// With t = Phi(-|x|): x t below 0, x - x t elsewhere.
template <class D, class V>
HWY_INLINE V GeluFast(D d, V x) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, 1.0f);
  // Below, the result is -0 to the last bit; above 8 it is x.
  const V inside = fast::AtLeast(d, x, -14.6f);
  const V size = hn::Abs(inside);
  const auto tiny = inside < hn::Set(d, -8.0f);
  const V outer = hn::IfThenElse(tiny, hn::Set(d, 0x1p-64f), one);
  const V minus_half = hn::Set(d, -0.5f);
  const V square = size * size;
  const V square_low = Fma(d, size, size, hn::Neg(square));
  const auto e = fast::TwoPartExp(d, square * minus_half, square_low * minus_half, tiny);
  const auto ratio = fast::MillsRatio(d, size);
  const auto product = fast::Times(d, hn::Neg(size), ratio);
  const V low = Fma(d, product.hi, e.lo, product.lo * e.hi);
  const V base = hn::IfThenElse(x > zero, x, zero);
  const V sum = Fma(d, product.hi, e.hi, base);
  const V sum_low = Fma(d, product.hi, e.hi, base - sum) + low;
  const V y = hn::Or((sum + sum_low) * outer, hn::And(x, hn::Set(d, -0.0f)));
  return hn::IfThenElse(x > hn::Set(d, 8.0f), x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
