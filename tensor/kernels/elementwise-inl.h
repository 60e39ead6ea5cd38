// The formulas of docs/arithmetic.md, section 5: one vector in, one vector out.

#if defined(PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#undef PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#endif

#include <hwy/highway.h>

#include "tensor/kernels/erf-inl.h"
#include "tensor/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// x <= 0 ? +0 : y. With y = x this is relu, with y = g its gradient.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ZeroUnlessPositive(D d, V x, V y) {
  return hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), y);
}

// g * ((1 - y) * (1 + y)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TanhGrad(D d, V g, V y) {
  const V one = hn::Set(d, hn::TFromD<D>{1});
  return hn::Mul(g, hn::Mul(hn::Sub(one, y), hn::Add(one, y)));
}

// g * (y * (1 - y)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SigmoidGrad(D d, V g, V y) {
  return hn::Mul(g, hn::Mul(y, hn::Sub(hn::Set(d, hn::TFromD<D>{1}), y)));
}

// (-0.5 * g) * ((y * y) * y).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V RsqrtGrad(D d, V g, V y) {
  const V half = hn::Mul(hn::Set(d, hn::TFromD<D>{-0.5}), g);
  return hn::Mul(half, hn::Mul(hn::Mul(y, y), y));
}

// The derivatives below are evaluated in f64.

// (2/sqrt(pi)) * exp(0 - x * x).
struct ErfSlope {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V density = Exp(d, hn::Sub(hn::Zero(d), hn::Mul(x, x)));
    return hn::Mul(hn::Set(d, 0x1.20dd750429b6dp+0), density);
  }
};

// Phi(x) + x phi(x). It is exp(-a^2/2) * (m(a) - a/sqrt(2 pi)) at x = -a, and 1 less that at x = a,
// so that nothing cancels but around its zero.
struct GeluSlope {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 38.75);
    const V a = hn::IfThenElse(hn::Lt(size, most), size, most);
    const V density = Exp(d, hn::Mul(hn::Set(d, -0.5), hn::Mul(a, a)));
    const V linear = hn::Mul(a, hn::Set(d, 0x1.9884533d43651p-2));  // 1/sqrt(2 pi)
    const V below = hn::Mul(density, hn::Sub(Taylor(d, kMillsTable, a).hi, linear));
    const V slope = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), below, hn::Sub(hn::Set(d, 1.0), below));
    return hn::IfThenElse(hn::IsNaN(x), x, slope);
  }
};

// s + x s (1 - s) w', where s = sigmoid(w) and w = x (c1 + c3 x^2). s and 1 - s come from
// e = exp(-|w|) as e / (1 + e) and 1 / (1 + e), so that nothing cancels but around its zero.
struct GeluTanhSlope {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = hn::Set(d, 1.0);
    const V zero = hn::Zero(d);
    const V c1 = hn::Set(d, 0x1.9884533d43651p+0);
    const V size = hn::Abs(x);
    const V most = hn::Set(d, 32.0);
    const V a = hn::IfThenElse(hn::Gt(size, most), most, size);
    const V square = hn::Mul(a, a);
    const V w = hn::Mul(a, hn::Add(c1, hn::Mul(hn::Set(d, 0x1.2444f2a4d8b4bp-4), square)));
    const V rise = hn::Mul(a, hn::Add(c1, hn::Mul(hn::Set(d, 0x1.b6676bf7450fp-3), square)));
    const V e = Exp(d, hn::Sub(zero, w));
    const V total = hn::Add(one, e);
    const V small = hn::Div(e, total);
    const V large = hn::Div(one, total);
    const V below = hn::Mul(small, hn::Sub(one, hn::Mul(rise, large)));
    const V above = hn::Mul(large, hn::Add(one, hn::Mul(rise, small)));
    return hn::IfThenElse(hn::Lt(x, zero), below, above);
  }
};

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
