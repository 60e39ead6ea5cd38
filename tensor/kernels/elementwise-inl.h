// The formulas of docs/arithmetic.md, section 5: one vector in, one vector out.

#if defined(PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#undef PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#endif

#include <hwy/highway.h>

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

inline constexpr double kGeluC0 = 0x1.9884533d43651p-1;  // sqrt(2 / pi)
inline constexpr double kGeluC1 = 0.044715;
inline constexpr double kGeluC2 = 0.134145;  // 3 * c1

// t = tanh(c0 * (x + c1 * ((x * x) * x))), in f64.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanhInner(D d, V x) {
  const V cube = hn::Mul(hn::Mul(x, x), x);
  const V sum = hn::Add(x, hn::Mul(hn::Set(d, kGeluC1), cube));
  return Tanh(d, hn::Mul(hn::Set(d, kGeluC0), sum));
}

// (0.5 * x) * (1 + t), in f64.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanh(D d, V x) {
  const V t = GeluTanhInner(d, x);
  return hn::Mul(hn::Mul(hn::Set(d, 0.5), x), hn::Add(hn::Set(d, 1.0), t));
}

// 0.5 * (1 + t) + (0.5 * x) * (((1 - t) * (1 + t)) * (c0 * (1 + c2 * (x * x)))), in f64.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanhDerivative(D d, V x) {
  const V t = GeluTanhInner(d, x);
  const V one = hn::Set(d, 1.0);
  const V half = hn::Set(d, 0.5);
  const V slope =
      hn::Mul(hn::Set(d, kGeluC0), hn::Add(one, hn::Mul(hn::Set(d, kGeluC2), hn::Mul(x, x))));
  const V tanh_slope = hn::Mul(hn::Sub(one, t), hn::Add(one, t));
  return hn::Add(hn::Mul(half, hn::Add(one, t)),
                 hn::Mul(hn::Mul(half, x), hn::Mul(tanh_slope, slope)));
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
