// exp, log, tanh, rsqrt, and what all transcendental functions share (docs/arithmetic.md, section
// 4; every step is written out in its appendix).
//
// The f64 algorithms use no fma, so all targets compute the same bits. They end in an unevaluated
// sum hi + lo that is good to about 2^-57 of the result; f64 returns hi, f32 rounds the sum once.
// exp and log reduce by powers of two as in fdlibm; tanh x is E / (E + 2), E = e^2x - 1.
#if defined(PALINODE_TENSOR_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_MATH_INL_H_
#undef PALINODE_TENSOR_KERNELS_MATH_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_MATH_INL_H_
#endif

#include <cmath>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/quick-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using quick::kLog2E;
using quick::kRounder;
using quick::PowerOfTwo;

// ln 2 in two parts; k * kLn2High is exact for |k| < 2048.
inline constexpr double kLn2High = 0x1.62e42fefa3800p-1;
inline constexpr double kLn2Low = 0x1.ef35793c76730p-45;

// 1/3!, 1/4!, ..., 1/14!.
inline constexpr double kExpSeries[] = {
    0x1.5555555555555p-3,  0x1.5555555555555p-5,  0x1.1111111111111p-7,  0x1.6c16c16c16c17p-10,
    0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-16, 0x1.71de3a556c734p-19, 0x1.27e4fb7789f5cp-22,
    0x1.ae64567f544e4p-26, 0x1.1eed8eff8d898p-29, 0x1.6124613a86d09p-33, 0x1.93974a8c07c9dp-37};
// 2/3, 2/5, ..., 2/23.
inline constexpr double kLogSeries[] = {
    0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2, 0x1.c71c71c71c71cp-3,
    0x1.745d1745d1746p-3, 0x1.3b13b13b13b14p-3, 0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4,
    0x1.af286bca1af28p-4, 0x1.8618618618618p-4, 0x1.642c8590b2164p-4};
// c[i] + x * (c[i+1] + x * (...)), from the last coefficient inwards.
template <size_t i = 0, size_t n, class D, class V>
HWY_INLINE V Polynomial(D d, V x, const double (&c)[n]) {
  if constexpr (i + 1 == n) {
    return hn::Set(d, c[i]);
  } else {
    return Polynomial<i + 1>(d, x, c) * x + hn::Set(d, c[i]);
  }
}

// The first 26 of the 53 bits of x, so that the product of two such numbers is exact.
template <class D, class V>
HWY_INLINE V TopHalf(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::BitCast(du, x) & hn::Set(du, 0xfffffffff8000000));
}

// y * 2^k for integers k in [-1150, 1150], in two steps where 2^k is no normal number, so that a
// subnormal result is rounded where it is formed.
template <class D, class V>
HWY_INLINE V Scale(D d, V y, V k) {
  const auto large = k > hn::Set(d, 1000.0);
  const auto small = k < hn::Set(d, -1000.0);
  const V step = hn::Set(d, 128.0);
  const V inner = hn::IfThenElse(large, k - step, hn::IfThenElse(small, k + step, k));
  const V outer = hn::IfThenElse(large, hn::Set(d, 0x1p128),
                                 hn::IfThenElse(small, hn::Set(d, 0x1p-128), hn::Set(d, 1.0)));
  return (y * PowerOfTwo(d, inner)) * outer;
}

// 2^k, but no less than 2^-1000.
template <class D, class V>
HWY_INLINE V BoundedPowerOfTwo(D d, V k) {
  const V least = hn::Set(d, -1000.0);
  return PowerOfTwo(d, hn::IfThenElse(k < least, least, k));
}

// a * b for unevaluated sums.
template <class D, class V>
HWY_INLINE TwoPart<V> Product(D d, TwoPart<V> a, TwoPart<V> b) {
  const V a_high = TopHalf(d, a.hi);
  const V a_low = (a.hi - a_high) + a.lo;
  const V b_high = TopHalf(d, b.hi);
  const V b_low = (b.hi - b_high) + b.lo;
  return FastTwoSum(a_high * b_high, a_high * b_low + a_low * b.hi);
}

// a + b for unevaluated sums, of any sizes.
template <class V>
HWY_INLINE TwoPart<V> Sum(TwoPart<V> a, TwoPart<V> b) {
  const auto lead = TwoSum(a.hi, b.hi);
  return TwoSum(lead.hi, lead.lo + (b.lo + a.lo));
}

// n / d for unevaluated sums, as one whose hi has 26 bits.
template <class D, class V>
HWY_INLINE TwoPart<V> Quotient(D d, TwoPart<V> n, TwoPart<V> m, V estimate) {
  const V high = TopHalf(d, estimate);
  const V m_high = TopHalf(d, m.hi);
  const V m_low = m.hi - m_high;
  const V rest = ((n.hi - high * m_high) - high * m_low) + (n.lo - high * m.lo);
  return {high, rest / m.hi};
}

// e^x = 2^k * (1 + hi + lo), with |hi| at most about 0.42.
template <class D, class V>
HWY_INLINE TwoPart<V> ReducedExp(D d, TwoPart<V> x, V& k) {
  const V rounder = hn::Set(d, kRounder);
  k = (x.hi * hn::Set(d, kLog2E) + rounder) - rounder;
  const V r0 = x.hi - k * hn::Set(d, kLn2High);
  const V t = k * hn::Set(d, kLn2Low) - x.lo;
  const V r = r0 - t;
  const V high = TopHalf(d, r);
  const V low = (r0 - high) - t;
  const V half = hn::Set(d, 0.5);
  const auto lead = FastTwoSum(high, (half * high) * high);
  const V cubic = ((r * r) * r) * Polynomial(d, r, kExpSeries);
  return FastTwoSum(lead.hi, lead.lo + ((low + low * (high + half * low)) + cubic));
}

template <class D, class V>
HWY_INLINE TwoPart<V> ReducedExp(D d, V x, V& k) {
  return ReducedExp(d, TwoPart<V>{x, hn::Zero(d)}, k);
}

// 1 + e, for |e| below 1.
template <class D, class V>
HWY_INLINE TwoPart<V> OnePlus(D d, TwoPart<V> e) {
  const auto lead = FastTwoSum(hn::Set(d, 1.0), e.hi);
  return FastTwoSum(lead.hi, lead.lo + e.lo);
}

// log(1+f) + k ln 2 with f = m - 1, from s = f / (2 + f): log(1+f) = 2s + 2s^3/3 + 2s^5/5 + ...
template <class D, class V>
HWY_INLINE TwoPart<V> ReducedLog(D d, V m, V k) {
  const V f = m - hn::Set(d, 1.0);
  const auto divisor = FastTwoSum(hn::Set(d, 2.0), f);
  const V s = f / divisor.hi;
  const auto quotient = Quotient(d, TwoPart<V>{f, hn::Zero(d)}, divisor, s);
  const V z = s * s;
  const V tail = (s * z) * Polynomial(d, z, kLogSeries);
  const auto lead = FastTwoSum(k * hn::Set(d, kLn2High), quotient.hi + quotient.hi);
  return FastTwoSum(lead.hi,
                    lead.lo + ((quotient.lo + quotient.lo) + (tail + k * hn::Set(d, kLn2Low))));
}

struct ExpFunction {
  // f32 has nothing but 0 below e^-104 and nothing but infinity above e^89.
  template <class D, class V>
  static HWY_INLINE V Quick(D d, V x) {
    const V most = hn::Set(d, 89.0);
    const V least = hn::Set(d, -104.0);
    const auto nothing = x < least;
    V k;
    const V capped = hn::IfThenElse(x > most, most, hn::IfThenElse(nothing, least, x));
    const V e = quick::ReducedExp(d, capped, k);
    const V scale = PowerOfTwo(d, k);
    return hn::IfThenZeroElse(nothing, LooseMulAdd(scale, e, scale));
  }

  // For results within the normal numbers of f64; others come out as 0 or above the range of f32.
  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    x = hn::IfThenElse(x > hn::Set(d, 200.0), hn::Set(d, 200.0), x);
    x = hn::IfThenElse(x < hn::Set(d, -200.0), hn::Set(d, -200.0), x);
    V k;
    const auto sum = OnePlus(d, ReducedExp(d, x, k));
    const V scale = PowerOfTwo(d, k);
    return {sum.hi * scale, sum.lo * scale};
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    x = hn::IfThenElse(x > hn::Set(d, 720.0), hn::Set(d, 720.0), x);
    x = hn::IfThenElse(x < hn::Set(d, -760.0), hn::Set(d, -760.0), x);
    V k;
    const auto sum = OnePlus(d, ReducedExp(d, x, k));
    return Scale(d, sum.hi, k);
  }
};

struct LogFunction {
  // NaN where the result is none or infinite.
  template <class D, class V>
  static HWY_INLINE V Quick(D d, V x) {
    const hn::RebindToUnsigned<D> du;
    const auto offset = hn::Set(du, 0x3fe6a09e00000000);
    const auto bits = hn::BitCast(du, x) + (hn::Set(du, 0x3ff0000000000000) - offset);
    const V biased = hn::BitCast(d, hn::ShiftRight<52>(bits) | hn::Set(du, 0x4330000000000000));
    const V k = biased - hn::Set(d, 0x1p52 + 1023.0);
    const V m = hn::BitCast(d, (bits & hn::Set(du, 0x000fffffffffffff)) + offset);
    const V f = m - hn::Set(d, 1.0);
    const V s = f / (f + hn::Set(d, 2.0));
    const V z = s * s;
    const V tail = LooseMulAdd(s * z, quick::Polynomial(d, z, quick::kLogSeries), s + s);
    const V y = LooseMulAdd(k, hn::Set(d, quick::kLn2), tail);
    const auto ordinary = hn::And(x > hn::Zero(d), x < hn::Set(d, HUGE_VAL));
    return hn::IfThenElse(ordinary, y, hn::Set(d, std::numeric_limits<double>::quiet_NaN()));
  }

  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    const hn::RebindToUnsigned<D> du;
    const V zero = hn::Zero(d);
    const auto subnormal = x < hn::Set(d, 0x1p-1022);
    const V scaled = hn::IfThenElse(subnormal, x * hn::Set(d, 0x1p54), x);
    // Moves the cut between exponents from 1 to about sqrt(1/2).
    const auto offset = hn::Set(du, 0x3fe6a09e00000000);
    const auto one = hn::Set(du, 0x3ff0000000000000);
    const auto bits = hn::BitCast(du, scaled) + (one - offset);
    const V biased = hn::BitCast(d, hn::ShiftRight<52>(bits) | hn::Set(du, 0x4330000000000000)) -
                     hn::Set(d, 0x1p52);
    const V k = biased - hn::IfThenElse(subnormal, hn::Set(d, 1077.0), hn::Set(d, 1023.0));
    const V m = hn::BitCast(d, (bits & hn::Set(du, 0x000fffffffffffff)) + offset);
    auto y = ReducedLog(d, m, k);
    const V infinity = hn::Set(d, HUGE_VAL);
    const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
    const V special =
        hn::IfThenElse(x == zero, zero - infinity, hn::IfThenElse(x == infinity, infinity, nan));
    const auto ordinary = hn::And(x > zero, x < infinity);
    return {hn::IfThenElse(ordinary, y.hi, special), hn::IfThenElse(ordinary, y.lo, zero)};
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    return Parts(d, x).hi;
  }
};

struct TanhFunction {
  // Beyond 10 the result is 1 in f32.
  template <class D, class V>
  static HWY_INLINE V Quick(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 10.0);
    const V capped = hn::IfThenElse(size > most, most, size);
    V k;
    const V e = quick::ReducedExp(d, capped + capped, k);
    const V scale = PowerOfTwo(d, k);
    const V n = LooseMulAdd(scale, e, scale - hn::Set(d, 1.0));
    return hn::CopySignToAbs(n / (n + hn::Set(d, 2.0)), x);
  }

  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    const V one = hn::Set(d, 1.0);
    const V size = hn::Abs(x);
    // Beyond 20 the result is 1 to the last bit.
    const V capped = hn::IfThenElse(size > hn::Set(d, 20.0), hn::Set(d, 20.0), size);
    V k;
    const auto e = ReducedExp(d, capped + capped, k);
    const V scale = PowerOfTwo(d, k);
    const V high = scale * e.hi;
    const V low = scale * e.lo;
    // scale - 1 and scale + 1 lose a digit from 2^54 on, which the second part keeps.
    const auto less = FastTwoSum(scale, hn::Zero(d) - one);
    const auto more = FastTwoSum(scale, one);
    auto above = FastTwoSum(less.hi, high);
    auto below = FastTwoSum(more.hi, high);
    above.lo = (above.lo + less.lo) + low;
    below.lo = (below.lo + more.lo) + low;
    const auto q = Quotient(d, above, below, above.hi / below.hi);
    const auto y = FastTwoSum(q.hi, q.lo);
    const V sign = hn::And(x, hn::Set(d, -0.0));
    return {hn::Xor(y.hi, sign), hn::Xor(y.lo, sign)};
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    return Parts(d, x).hi;
  }
};

// 1 / sqrt(x). As in IEEE 754-2019, -0 gives -inf.
struct RsqrtFunction {
  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    return {Nearest(d, x), hn::Zero(d)};
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    return hn::Set(d, 1.0) / hn::Sqrt(x);
  }
};

// y * 2^k.
template <class V>
struct Scaled {
  TwoPart<V> y;
  V k;
};

// The two forms of a function that is given as Function::Core, f(x) = y * 2^k with k <= 0.
template <class Function>
struct FromScaled {
  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    const auto result = Function::Core(d, x);
    const V scale = BoundedPowerOfTwo(d, result.k);
    return {result.y.hi * scale, result.y.lo * scale};
  }

  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    const auto result = Function::Core(d, x);
    return Scale(d, result.y.hi, result.k);
  }
};

using WideTag = hn::ScalableTag<double>;
template <class Function>
inline constexpr bool kHasQuick = requires(WideTag d, hn::Vec<WideTag> x) {
  Function::Quick(d, x);
};

// As Quick, in the lanes of x, or none if a result is doubtful.
template <class Function, class D, class V>
HWY_INLINE bool TryQuick(D d, V x, V& y) {
  if constexpr (hn::MaxLanes(D()) * sizeof(double) <= HWY_MAX_BYTES) {
    const hn::Rebind<double, D> dd;
    const auto wide = Function::Quick(dd, hn::PromoteTo(dd, x));
    y = NearestF32(d, wide);
    return hn::AllFalse(dd, quick::Doubtful(dd, wide));
  } else {
#if HWY_TARGET == HWY_SCALAR
    return false;
#else
    const hn::Half<D> half;
    const hn::Rebind<double, decltype(half)> dd;
    const auto low = Function::Quick(dd, hn::PromoteTo(dd, hn::LowerHalf(half, x)));
    const auto high = Function::Quick(dd, hn::PromoteTo(dd, hn::UpperHalf(half, x)));
    y = hn::Combine(d, NearestF32(half, high), NearestF32(half, low));
    return hn::AllFalse(dd, hn::Or(quick::Doubtful(dd, low), quick::Doubtful(dd, high)));
#endif
  }
}

template <class Function, class D, class V>
HWY_INLINE V EvaluateSlowly(D d, V x) {
  if constexpr (hn::MaxLanes(D()) * sizeof(double) <= HWY_MAX_BYTES) {
    const hn::Rebind<double, D> dd;
    return NearestF32(d, RoundToOdd(dd, Function::Parts(dd, hn::PromoteTo(dd, x))));
  } else {
#if HWY_TARGET == HWY_SCALAR
    return x;
#else
    const hn::Half<D> half;
    const auto low = EvaluateSlowly<Function>(half, hn::LowerHalf(half, x));
    const auto high = EvaluateSlowly<Function>(half, hn::UpperHalf(half, x));
    return hn::Combine(d, high, low);
#endif
  }
}

template <class Function, class D, class V>
HWY_INLINE V Evaluate(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    return Function::Nearest(d, x);
  } else {
    if constexpr (kHasQuick<Function>) {
      V y;
      if (HWY_LIKELY(TryQuick<Function>(d, x, y))) return y;
    }
    return EvaluateSlowly<Function>(d, x);
  }
}

template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  return Evaluate<ExpFunction>(d, x);
}

template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  return Evaluate<LogFunction>(d, x);
}

template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  return Evaluate<TanhFunction>(d, x);
}

template <class D, class V>
HWY_INLINE V Rsqrt(D d, V x) {
  return Evaluate<RsqrtFunction>(d, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
