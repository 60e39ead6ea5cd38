// The logistic function, SiLU, x sigmoid(x), and the tanh form of GELU, which is x sigmoid(2u) with
// u = sqrt(2/pi) (x + 0.044715 x^3) (docs/arithmetic.md, section 4 and appendix).
//
// Both come from E = e^-|t| <= 1 as 1 / (1 + E) or E / (1 + E), so that small results keep all
// their digits.
#if defined(PALINODE_TENSOR_KERNELS_SIGMOID_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_SIGMOID_INL_H_
#undef PALINODE_TENSOR_KERNELS_SIGMOID_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_SIGMOID_INL_H_
#endif

#include "hwy/highway.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 2 sqrt(2/pi) and 0.044715 times that, each in two parts.
inline constexpr double kGeluLinearHigh = 0x1.9884533d43651p+0;
inline constexpr double kGeluLinearLow = -0x1.cbc0d30ebfd15p-54;
inline constexpr double kGeluCubicHigh = 0x1.2444f2a4d8b4bp-4;
inline constexpr double kGeluCubicLow = -0x1.6c843a29d1c70p-61;

// sigmoid(a), or sigmoid(-a) where `negative`, for 0 <= a <= 800.
template <class D, class V, class M>
HWY_INLINE Scaled<V> Logistic(D d, TwoPart<V> a, M negative) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, 1.0);
  V k;
  const auto e = OnePlus(d, ReducedExp(d, TwoPart<V>{zero - a.hi, zero - a.lo}, k));
  const V scale = BoundedPowerOfTwo(d, k);
  auto divisor = FastTwoSum(one, e.hi * scale);
  divisor.lo = divisor.lo + e.lo * scale;
  const TwoPart<V> dividend{hn::IfThenElse(negative, e.hi, one),
                            hn::IfThenElse(negative, e.lo, zero)};
  const auto q = Quotient(d, dividend, divisor, dividend.hi / divisor.hi);
  return {FastTwoSum(q.hi, q.lo), hn::IfThenElse(negative, k, zero)};
}

struct SigmoidFunction : FromScaled<SigmoidFunction> {
  template <class D, class V>
  static HWY_INLINE V Quick(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 110.0);
    return quick::Logistic(d, hn::IfThenElse(size > most, most, size), x < hn::Zero(d));
  }

  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 760.0);
    const V capped = hn::IfThenElse(size > most, most, size);
    return Logistic(d, TwoPart<V>{capped, hn::Zero(d)}, x < hn::Zero(d));
  }
};

// Above 20 the result is x. It has the sign of x, also where it vanishes.
struct GeluTanhFunction : FromScaled<GeluTanhFunction> {
  // f32 has nothing but 0 below -11.
  template <class D, class V>
  static HWY_INLINE V Quick(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 11.0);
    const V a = hn::IfThenElse(size > most, most, size);
    const V slope = LooseMulAdd(a * a, hn::Set(d, kGeluCubicHigh), hn::Set(d, kGeluLinearHigh));
    const V y = a * quick::Logistic(d, a * slope, x < hn::Zero(d));
    return hn::IfThenElse(x > most, x, hn::CopySignToAbs(y, x));
  }

  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V zero = hn::Zero(d);
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 22.0);
    const TwoPart<V> a{hn::IfThenElse(size > most, most, size), zero};
    const TwoPart<V> cubic{hn::Set(d, kGeluCubicHigh), hn::Set(d, kGeluCubicLow)};
    const auto term = Product(d, Product(d, a, a), cubic);
    const auto sum = TwoSum(hn::Set(d, kGeluLinearHigh), term.hi);
    const auto slope = FastTwoSum(sum.hi, sum.lo + (term.lo + hn::Set(d, kGeluLinearLow)));
    const auto s = Logistic(d, Product(d, a, slope), x < zero);
    const auto y = Product(d, a, s.y);
    const auto identity = x > hn::Set(d, 20.0);
    const V sign = hn::And(x, hn::Set(d, -0.0));
    return {{hn::IfThenElse(identity, x, hn::Xor(y.hi, sign)),
             hn::IfThenElse(identity, zero, hn::Xor(y.lo, sign))},
            s.k};
  }
};

// x sigmoid(x). Above 40 the result is x. It has the sign of x, also where it vanishes.
struct SiluFunction : FromScaled<SiluFunction> {
  // f32 has nothing but 0 below -110.
  template <class D, class V>
  static HWY_INLINE V Quick(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 110.0);
    const V a = hn::IfThenElse(size > most, most, size);
    const V y = a * quick::Logistic(d, a, x < hn::Zero(d));
    return hn::IfThenElse(x > most, x, hn::CopySignToAbs(y, x));
  }

  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V zero = hn::Zero(d);
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 760.0);
    const TwoPart<V> a{hn::IfThenElse(size > most, most, size), zero};
    const auto s = Logistic(d, a, x < zero);
    const auto y = Product(d, a, s.y);
    const auto identity = x > hn::Set(d, 40.0);
    const V sign = hn::And(x, hn::Set(d, -0.0));
    return {{hn::IfThenElse(identity, x, hn::Xor(y.hi, sign)),
             hn::IfThenElse(identity, zero, hn::Xor(y.lo, sign))},
            s.k};
  }
};

template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  return Evaluate<SigmoidFunction>(d, x);
}

template <class D, class V>
HWY_INLINE V GeluTanh(D d, V x) {
  return Evaluate<GeluTanhFunction>(d, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
