// The error function, and GELU: x Phi(x), Phi the normal distribution function
// (docs/arithmetic.md, section 4 and appendix).
//
// Both are Taylor series about one of a few dozen centres. Below zero, Phi(-a) is
// e^(-a^2/2) m(a) with a slowly varying m, and so keeps its digits however small it is.
#if defined(PALINODE_TENSOR_KERNELS_ERF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_ERF_INL_H_
#undef PALINODE_TENSOR_KERNELS_ERF_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_ERF_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "tensor/kernels/erf_table.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The function of the table at a >= 0. a + 33/32, cut after four bits of its significand, names the
// row; the middle of what was cut is the centre.
template <class D, class V>
HWY_INLINE TwoPart<V> Taylor(D d, const double (*table)[16], V a) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const V offset = hn::Set(d, 33.0 / 32);
  const auto bits = hn::BitCast(du, a + offset);
  const auto row = hn::ShiftRight<48>(bits) - hn::Set(du, 0x3ff0);
  const auto index = hn::BitCast(di, hn::ShiftLeft<4>(row));
  const auto middle = (bits & hn::Set(du, 0xffff000000000000)) | hn::Set(du, 0x0000800000000000);
  const V h = a - (hn::BitCast(d, middle) - offset);
  const V h_high = TopHalf(d, h);
  const V h_low = h - h_high;
  V rest = hn::GatherIndex(d, table[0] + 15, index);
  for (std::size_t i = 14; i >= 4; --i) rest = rest * h + hn::GatherIndex(d, table[0] + i, index);
  const V slope = hn::GatherIndex(d, table[0] + 2, index);
  const V slope_low = hn::GatherIndex(d, table[0] + 3, index);
  const auto lead = FastTwoSum(hn::GatherIndex(d, table[0], index), slope * h_high);
  const V low = (slope_low * h + slope * h_low) + (h * h) * rest;
  return FastTwoSum(lead.hi, lead.lo + (hn::GatherIndex(d, table[0] + 1, index) + low));
}

// e^(factor a^2) = 2^k times the result, for factor < 0.
template <class D, class V>
HWY_INLINE TwoPart<V> ExpOfSquare(D d, TwoPart<V> a, double factor, V& k) {
  const auto square = Product(d, a, a);
  const V f = hn::Set(d, factor);
  return OnePlus(d, ReducedExp(d, TwoPart<V>{f * square.hi, f * square.lo}, k));
}

struct ErfFunction {
  // Beyond 6.5 the result is 1 to the last bit.
  template <class D, class V>
  static HWY_INLINE TwoPart<V> Parts(D d, V x) {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 6.5);
    const auto y = Taylor(d, kErfTable, hn::IfThenElse(size < most, size, most));
    const V sign = hn::And(x, hn::Set(d, -0.0));
    return {hn::IfThenElse(hn::IsNaN(x), x, hn::Xor(y.hi, sign)), hn::Xor(y.lo, sign)};
  }

  // Next to zero the parts of x would lose digits.
  template <class D, class V>
  static HWY_INLINE V Nearest(D d, V x) {
    const V one = hn::Set(d, 1.0);
    const auto tiny = hn::Abs(x) < hn::Set(d, 0x1p-960);
    const V up = hn::IfThenElse(tiny, hn::Set(d, 0x1p64), one);
    const V down = hn::IfThenElse(tiny, hn::Set(d, 0x1p-64), one);
    return Parts(d, x * up).hi * down;
  }
};

// Above 20 the result is x. It has the sign of x, also where it vanishes.
struct GeluFunction : FromScaled<GeluFunction> {
  template <class D, class V>
  static HWY_INLINE Scaled<V> Core(D d, V x) {
    const V zero = hn::Zero(d);
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 38.75);
    const TwoPart<V> a{hn::IfThenElse(size < most, size, most), zero};
    V k;
    const auto e = ExpOfSquare(d, a, -0.5, k);
    const auto below = Product(d, Taylor(d, kMillsTable, a.hi), e);
    const V scale = BoundedPowerOfTwo(d, k);
    auto above = FastTwoSum(hn::Set(d, 1.0), zero - below.hi * scale);
    above.lo = above.lo - below.lo * scale;
    const auto negative = x < zero;
    const TwoPart<V> phi{hn::IfThenElse(negative, below.hi, above.hi),
                         hn::IfThenElse(negative, below.lo, above.lo)};
    const auto y = Product(d, a, phi);
    const auto identity = hn::Or(x > hn::Set(d, 20.0), hn::IsNaN(x));
    const V sign = hn::And(x, hn::Set(d, -0.0));
    return {{hn::IfThenElse(identity, x, hn::Xor(y.hi, sign)),
             hn::IfThenElse(identity, zero, hn::Xor(y.lo, sign))},
            hn::IfThenElse(negative, k, zero)};
  }
};

template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  return Evaluate<ErfFunction>(d, x);
}

template <class D, class V>
HWY_INLINE V Gelu(D d, V x) {
  return Evaluate<GeluFunction>(d, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace palinode::kernels
HWY_AFTER_NAMESPACE();

#endif
