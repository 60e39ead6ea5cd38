// The derivatives of erf, gelu, gelu_tanh and silu (docs/arithmetic.md, section 5 and appendix).
#if defined(PALINODE_TENSOR_KERNELS_SLOPES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_SLOPES_INL_H_
#undef PALINODE_TENSOR_KERNELS_SLOPES_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_SLOPES_INL_H_
#endif

#include "hwy/highway.h"
#include "tensor/kernels/erf-inl.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/math-inl.h"
#include "tensor/kernels/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 2 e^(-x^2) / sqrt(pi).
struct ErfSlopeFunction : FromScaled<ErfSlopeFunction> {
  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 27.5);
    const TwoPart<V> a{hn::IfThenElse(size > most, most, size), hn::Zero(d)};
    V k;
    const auto e = ExpOfSquare(d, a, -1.0, k);
    const TwoPart<V> factor{hn::Set(d, 0x1.20dd750429b6dp+0), hn::Set(d, 0x1.1ae3a914fed80p-56)};
    return {Product(d, e, factor), k};
  }
};

// Phi(x) + x phi(x). It is e^(-a^2/2) (m(a) - a / sqrt(2 pi)) at x = -a, and 1 less that at x = a,
// so that nothing cancels but around its zero.
struct GeluSlopeFunction : FromScaled<GeluSlopeFunction> {
  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V zero = hn::Zero(d);
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 38.75);
    const TwoPart<V> a{hn::IfThenElse(size < most, size, most), zero};
    V k;
    const auto e = ExpOfSquare(d, a, -0.5, k);
    const TwoPart<V> factor{hn::Set(d, -0x1.9884533d43651p-2), hn::Set(d, 0x1.cbc0d30ebfd15p-56)};
    const auto below = Product(d, Sum(Taylor(d, kMillsTable, a.hi), Product(d, a, factor)), e);
    const V scale = BoundedPowerOfTwo(d, k);
    const auto above = Sum(TwoPart<V>{hn::Set(d, 1.0), zero},
                           TwoPart<V>{zero - below.hi * scale, zero - below.lo * scale});
    const auto negative = x < zero;
    const auto nan = hn::IsNaN(x);
    return {{hn::IfThenElse(nan, x, hn::IfThenElse(negative, below.hi, above.hi)),
             hn::IfThenElse(nan, zero, hn::IfThenElse(negative, below.lo, above.lo))},
            hn::IfThenElse(negative, k, zero)};
  }
};

// The derivative of x s(w) is s(w) (1 + x w' s(-w)), s the sigmoid, which cancels nothing but
// around its zero. Here w = Exponent(|x|) has the sign of x, and rise = |x| w'.
template <class Exponent>
struct GatedSlopeFunction : FromScaled<GatedSlopeFunction<Exponent>> {
  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V zero = hn::Zero(d);
    const V size = hn::Abs(x);
    const V most = hn::Set(d, Exponent::kMost);
    TwoPart<V> w, rise;
    Exponent::Parts(d, hn::IfThenElse(size > most, most, size), w, rise);
    const auto negative = x < zero;
    const auto gate = Logistic(d, w, negative);
    const auto other = Logistic(d, w, hn::Not(negative));
    const V sign = hn::And(x, hn::Set(d, -0.0));
    const V scale = hn::Xor(BoundedPowerOfTwo(d, other.k), sign);
    const auto term = Product(d, rise, other.y);
    const auto factor =
        Sum(TwoPart<V>{hn::Set(d, 1.0), zero}, TwoPart<V>{term.hi * scale, term.lo * scale});
    return {Product(d, gate.y, factor), gate.k};
  }
};

struct SiluExponent {
  static constexpr double kMost = 760.0;

  template <class D, class V>
  static HWY_INLINE void Parts(D d, V a, TwoPart<V>& w, TwoPart<V>& rise) {
    w = rise = {a, hn::Zero(d)};
  }
};

struct GeluTanhExponent {
  static constexpr double kMost = 22.0;

  template <class D, class V>
  static HWY_INLINE void Parts(D d, V size, TwoPart<V>& w, TwoPart<V>& rise) {
    const TwoPart<V> a{size, hn::Zero(d)};
    const auto square = Product(d, a, a);
    const TwoPart<V> linear{hn::Set(d, kGeluLinearHigh), hn::Set(d, kGeluLinearLow)};
    const TwoPart<V> cubic{hn::Set(d, kGeluCubicHigh), hn::Set(d, kGeluCubicLow)};
    const TwoPart<V> thrice{hn::Set(d, 0x1.b6676bf7450f0p-3), hn::Set(d, 0x1.bba7351828aabp-57)};
    w = Product(d, a, Sum(linear, Product(d, square, cubic)));
    rise = Product(d, a, Sum(linear, Product(d, square, thrice)));
  }
};

using SiluSlopeFunction = GatedSlopeFunction<SiluExponent>;
using GeluTanhSlopeFunction = GatedSlopeFunction<GeluTanhExponent>;

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
