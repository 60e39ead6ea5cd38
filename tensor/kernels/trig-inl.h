// Sine and cosine, of radians and of whole turns (docs/arithmetic.md, section 4 and appendix).
//
// An angle is reduced to at most pi/4: up to 2^20 by subtracting multiples of pi/2 in exact parts
// (Cody and Waite), beyond in integers (Payne and Hanek). Then sin(c + h) and cos(c + h) follow
// from a table of sin c and cos c and short series in h.
#if defined(PALINODE_TENSOR_KERNELS_TRIG_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_TRIG_INL_H_
#undef PALINODE_TENSOR_KERNELS_TRIG_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_TRIG_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/math-inl.h"
#include "tensor/kernels/trig_table.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr double kTwoPi = 0x1.921fb54442d18p+2;
inline constexpr double kTwoPiHigh = 0x1.921fb5p+2;
inline constexpr double kTwoPiLow = 0x1.110b4611a6263p-24;

inline constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
// pi/2 in four parts; the first three have 33 bits, so that n times each is exact for |n| < 2^20.
inline constexpr double kHalfPi[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2ep-69,
                                     0x1.b839a252049c1p-104};

// -1/3!, 1/5!, ..., 1/17!.
inline constexpr double kSinSeries[] = {
    -0x1.5555555555555p-3,  0x1.1111111111111p-7,  -0x1.a01a01a01a01ap-13, 0x1.71de3a556c734p-19,
    -0x1.ae64567f544e4p-26, 0x1.6124613a86d09p-33, -0x1.ae7f3e733b81fp-41, 0x1.952c77030ad4ap-49};
// 1/4!, -1/6!, ..., -1/18!.
inline constexpr double kCosSeries[] = {
    0x1.5555555555555p-5,  -0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01ap-16, -0x1.27e4fb7789f5cp-22,
    0x1.1eed8eff8d898p-29, -0x1.93974a8c07c9dp-37, 0x1.ae7f3e733b81fp-45, -0x1.6827863b97d97p-53};

// -1/3!, 1/5!, -1/7!.
inline constexpr double kShortSinSeries[] = {-0x1.5555555555555p-3, 0x1.1111111111111p-7,
                                             -0x1.a01a01a01a01ap-13};
// -1/2!, 1/4!, -1/6!, 1/8!.
inline constexpr double kShortCosSeries[] = {-0.5, 0x1.5555555555555p-5, -0x1.6c16c16c16c17p-10,
                                             0x1.a01a01a01a01ap-16};

// An angle as quadrant * pi/2 + r, modulo 2 pi.
template <class D, class V>
struct Angle {
  hn::VFromD<hn::RebindToUnsigned<D>> quadrant;
  TwoPart<V> r;
};

template <class D, class V>
HWY_INLINE Angle<D, V> ReduceLarge(D d, V a) {
  const hn::RebindToUnsigned<D> du;
  HWY_ALIGN double angle[hn::MaxLanes(D())];
  HWY_ALIGN double low[hn::MaxLanes(D())];
  HWY_ALIGN std::uint64_t quadrant[hn::MaxLanes(D())];
  hn::Store(a, d, angle);
  for (std::size_t i = 0; i < hn::MaxLanes(D()); ++i) {
    const ReducedAngle reduced = reduce_large_angle(angle[i]);
    quadrant[i] = reduced.quadrant;
    angle[i] = reduced.hi;
    low[i] = reduced.lo;
  }
  return {hn::Load(du, quadrant), {hn::Load(d, angle), hn::Load(d, low)}};
}

// a >= 0.
template <class D, class V>
HWY_INLINE Angle<D, V> ReduceAngle(D d, V a) {
  const hn::RebindToUnsigned<D> du;
  const V zero = hn::Zero(d);
  const V rounder = hn::Set(d, kRounder);
  const V shifted = a * hn::Set(d, kTwoOverPi) + rounder;
  const V n = shifted - rounder;
  const V first = a - n * hn::Set(d, kHalfPi[0]);
  const auto second = TwoSum(first, zero - n * hn::Set(d, kHalfPi[1]));
  const auto third = TwoSum(second.hi, zero - n * hn::Set(d, kHalfPi[2]));
  const V rest = (third.lo + second.lo) - n * hn::Set(d, kHalfPi[3]);
  const Angle<D, V> angle{hn::BitCast(du, shifted), FastTwoSum(third.hi, rest)};
  const auto large = hn::Not(a <= hn::Set(d, 0x1p20));
  if (HWY_LIKELY(hn::AllFalse(d, large))) return angle;
  const auto far = ReduceLarge(d, a);
  return {
      hn::IfThenElse(hn::RebindMask(du, large), far.quadrant, angle.quadrant),
      {hn::IfThenElse(large, far.r.hi, angle.r.hi), hn::IfThenElse(large, far.r.lo, angle.r.lo)}};
}

// The sine of the angle.
template <class D, class V>
HWY_INLINE TwoPart<V> SinOfAngle(D d, const Angle<D, V>& angle) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const V zero = hn::Zero(d);
  const V rounder = hn::Set(d, kRounder);
  const V r_sign = hn::And(angle.r.hi, hn::Set(d, -0.0));
  const V size = hn::Xor(angle.r.hi, r_sign);
  const V shifted = size * hn::Set(d, 32.0) + rounder;
  const auto row = hn::BitCast(du, shifted) & hn::Set(du, 31);
  const auto index = hn::BitCast(di, hn::ShiftLeft<2>(row));
  const double* table = kSinCosTable[0];
  const V s = hn::GatherIndex(d, table, index);
  const V s_low = hn::GatherIndex(d, table + 1, index);
  const V c = hn::GatherIndex(d, table + 2, index);
  const V c_low = hn::GatherIndex(d, table + 3, index);
  const V h = size - (shifted - rounder) * hn::Set(d, 0x1p-5);
  const V h_rest = hn::Xor(angle.r.lo, r_sign);
  const V h_high = TopHalf(d, h);
  const V h_low = h - h_high;
  const V z = h * h;
  const V sin_rest = (h * z) * Polynomial(d, z, kShortSinSeries);
  const V cos_rest = z * Polynomial(d, z, kShortCosSeries);
  // sin r = s cos h + c sin h, cos r = c cos h - s sin h: p cos h + q sin h.
  const auto bit = hn::Set(du, 1);
  const auto odd = hn::RebindMask(d, (angle.quadrant & bit) == bit);
  const V p = hn::IfThenElse(odd, c, s);
  const V p_low = hn::IfThenElse(odd, c_low, s_low);
  const V q = hn::IfThenElse(odd, zero - s, c);
  const V q_low = hn::IfThenElse(odd, zero - s_low, c_low);
  const auto lead = FastTwoSum(p, q * h_high);
  const V linear = (q_low * h + q * h_low) + (q - p * h) * h_rest;
  const V low = p_low + (linear + ((p + p_low) * cos_rest + (q + q_low) * sin_rest));
  const auto y = FastTwoSum(lead.hi, lead.lo + low);
  const auto half_turn = hn::ShiftLeft<62>(angle.quadrant & hn::Set(du, 2));
  const V sign = hn::Xor(hn::BitCast(d, half_turn), hn::IfThenElse(odd, zero, r_sign));
  return {hn::Xor(y.hi, sign), hn::Xor(y.lo, sign)};
}

struct SinFunction {
  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    const V sign = hn::And(x, hn::Set(d, -0.0));
    const auto y = SinOfAngle(d, ReduceAngle(d, hn::Abs(x)));
    return {hn::Xor(y.hi, sign), hn::Xor(y.lo, sign)};
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    return Parts(d, x).hi;
  }
};

struct CosFunction {
  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    const hn::RebindToUnsigned<D> du;
    auto angle = ReduceAngle(d, hn::Abs(x));
    angle.quadrant = angle.quadrant + hn::Set(du, 1);
    return SinOfAngle(d, angle);
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    return Parts(d, x).hi;
  }
};

template <class D, class V>
HWY_INLINE V Sin(D d, V x) {
  return Evaluate<SinFunction>(d, x);
}

template <class D, class V>
HWY_INLINE V Cos(D d, V x) {
  return Evaluate<CosFunction>(d, x);
}

// The sine and cosine of 2 pi u, for u in [0, 1); f64 only.
template <class D, class V>
HWY_INLINE void SinCosTurns(D d, V u, V& sin, V& cos) {
  const hn::RebindToUnsigned<D> du;
  const V rounder = hn::Set(d, kRounder);
  const V shifted = u * hn::Set(d, 4.0) + rounder;
  const auto quarter = hn::BitCast(du, shifted);
  const V t = u - (shifted - rounder) * hn::Set(d, 0.25);
  const V t_high = TopHalf(d, t);
  const V high = t_high * hn::Set(d, kTwoPiHigh);
  const V low = t_high * hn::Set(d, kTwoPiLow) + (t - t_high) * hn::Set(d, kTwoPi);
  const auto x = FastTwoSum(high, low);
  const V z = x.hi * x.hi;
  const V s = x.hi + (x.lo + (x.hi * z) * Polynomial(d, z, kSinSeries));
  const V half = hn::Set(d, 0.5);
  const V x_high = TopHalf(d, x.hi);
  const V x_low = (x.hi - x_high) + x.lo;
  const auto lead = FastTwoSum(hn::Set(d, 1.0), hn::Zero(d) - (half * x_high) * x_high);
  const V cross = x_low * (x_high + half * x_low);
  const V c = lead.hi + (lead.lo + ((z * z) * Polynomial(d, z, kCosSeries) - cross));
  const auto bit = hn::Set(du, 1);
  const auto odd = hn::RebindMask(d, (quarter & bit) == bit);
  const auto sin_sign = hn::ShiftLeft<62>(quarter & hn::Set(du, 2));
  const auto cos_sign = hn::ShiftLeft<62>((quarter + bit) & hn::Set(du, 2));
  // Adding +0 turns -0 into +0.
  sin = hn::Xor(hn::IfThenElse(odd, c, s), hn::BitCast(d, sin_sign)) + hn::Zero(d);
  cos = hn::Xor(hn::IfThenElse(odd, s, c), hn::BitCast(d, cos_sign)) + hn::Zero(d);
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
