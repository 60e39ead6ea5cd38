// A short way to the f32 results of exp, log, tanh and what is made of them. They are correctly
// rounded (docs/arithmetic.md, section 4), so any way to them gives the same bits.
//
// A function's Quick computes in f64 to about 2^-44. Unless what it finds lies next to the middle
// of two f32, it rounds as the exact value does; otherwise, one time in some ten thousand, the long
// way of Parts is taken (Ziv, ACM TOMS 17, 1991). Fused or not, these operations need not have the
// same bits on every target.
#if defined(PALINODE_TENSOR_KERNELS_QUICK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_QUICK_INL_H_
#undef PALINODE_TENSOR_KERNELS_QUICK_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_QUICK_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

namespace quick {

// How far from a middle a result must lie, in units of the last place of f64: a relative error of
// 2^-41, eight times what any Quick has.
inline constexpr std::int64_t kMargin = 1 << 12;

// Adding and subtracting this rounds to an integer, which the low bits of the sum then hold.
inline constexpr double kRounder = 0x1.8p52;
inline constexpr double kLog2E = 0x1.71547652b82fep+0;
inline constexpr double kLn2 = 0x1.62e42fefa39efp-1;

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, interpolated at Chebyshev's places; e^r to 2^-48.
inline constexpr double kExpSeries[] = {
    0x1.0000000000000p-1,  0x1.5555555553b7dp-3,  0x1.5555555554cb8p-5,
    0x1.1111111c45d9fp-7,  0x1.6c16c1738ed23p-10, 0x1.a019adabe6699p-13,
    0x1.a019c9ab133b1p-16, 0x1.72c720d005e4bp-19, 0x1.2880393a358c4p-22};
// 2/3, 2/5, ..., 2/19.
inline constexpr double kLogSeries[] = {
    0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2,
    0x1.c71c71c71c71cp-3, 0x1.745d1745d1746p-3, 0x1.3b13b13b13b14p-3,
    0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4, 0x1.af286bca1af28p-4};

// c[i] + x * (c[i+1] + x * (...)).
template <size_t i = 0, size_t n, class D, class V>
HWY_INLINE V Polynomial(D d, V x, const double (&c)[n]) {
  if constexpr (i + 1 == n) {
    return hn::Set(d, c[i]);
  } else {
    return LooseMulAdd(Polynomial<i + 1>(d, x, c), x, hn::Set(d, c[i]));
  }
}

// Whether a result is too near the middle of two f32, or too small for the middles to lie where
// they are looked for. A result of zero is exact, and NaN is left to the long way.
template <class D, class V>
HWY_INLINE auto Doubtful(D d, V y) {
  const hn::RebindToSigned<D> di;
  constexpr std::int64_t kMiddle = 0x10000000;
  const auto place =
      (hn::BitCast(di, y) + hn::Set(di, kMargin - kMiddle)) & hn::Set(di, 2 * kMiddle - 1);
  const auto near = hn::RebindMask(d, place < hn::Set(di, 2 * kMargin + 1));
  const auto sure = hn::Or(hn::Abs(y) >= hn::Set(d, 0x1p-125), y == hn::Zero(d));
  return hn::Or(near, hn::Not(sure));
}

// 2^k for integers k in [-1022, 1023].
template <class D, class V>
HWY_INLINE V PowerOfTwo(D d, V k) {
  const hn::RebindToUnsigned<D> du;
  const auto integer = hn::BitCast(du, k + hn::Set(d, kRounder));
  return hn::BitCast(d, hn::ShiftLeft<52>(integer + hn::Set(du, 1023)));
}

// e^t = 2^k * (1 + the result), for |t| <= 200; the error of 1 + the result is below 2^-45, that of
// the result too where k = 0.
template <class D, class V>
HWY_INLINE V ReducedExp(D d, V t, V& k) {
  const V rounder = hn::Set(d, kRounder);
  k = LooseMulAdd(t, hn::Set(d, kLog2E), rounder) - rounder;
  const V r = LooseMulAdd(hn::Neg(k), hn::Set(d, kLn2), t);
  return LooseMulAdd(r * r, Polynomial(d, r, kExpSeries), r);
}

// e^-a for 0 <= a <= 200.
template <class D, class V>
HWY_INLINE V Decay(D d, V a) {
  V k;
  const V e = ReducedExp(d, hn::Neg(a), k);
  const V scale = PowerOfTwo(d, k);
  return LooseMulAdd(scale, e, scale);
}

// sigmoid(a), or sigmoid(-a) where `negative`, for 0 <= a <= 200.
template <class D, class V, class M>
HWY_INLINE V Logistic(D d, V a, M negative) {
  const V one = hn::Set(d, 1.0);
  const V e = Decay(d, a);
  return hn::IfThenElse(negative, e, one) / (one + e);
}

}  // namespace quick

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
