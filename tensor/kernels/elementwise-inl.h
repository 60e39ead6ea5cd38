// The formulas of docs/arithmetic.md, section 5: one vector in, one vector out.

#if defined(PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#undef PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_ELEMENTWISE_INL_H_
#endif

#include <hwy/highway.h>

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

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
