// The formulas of docs/arithmetic.md, section 7: one vector in, one vector out.

#if defined(PALINODE_TENSOR_KERNELS_UPDATE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_UPDATE_INL_H_
#undef PALINODE_TENSOR_KERNELS_UPDATE_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_UPDATE_INL_H_
#endif

#include <hwy/highway.h>

#include "tensor/kernels/update.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// g + wd * w, or g itself if wd is 0 (adding 0 * w would turn an infinite weight into NaN).
template <class D, class Step, class V = hn::Vec<D>>
HWY_INLINE V DecayedGradient(D d, const Step& step, V g, V w) {
  if (step.weight_decay == 0) return g;
  return hn::Add(g, hn::Mul(hn::Set(d, step.weight_decay), w));
}

// mu * v + g.
template <class D, class Step, class V = hn::Vec<D>>
HWY_INLINE V Velocity(D d, const Step& step, V v, V g) {
  return hn::Add(hn::Mul(hn::Set(d, step.momentum), v), g);
}

// w - lr * v.
template <class D, class Step, class V = hn::Vec<D>>
HWY_INLINE V SgdWeight(D d, const Step& step, V w, V v) {
  return hn::Sub(w, hn::Mul(hn::Set(d, step.lr), v));
}

// g + mu * v with Nesterov's look ahead, otherwise v.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V SgdDirection(D d, const SgdStep<T>& step, V g, V v) {
  if (!step.nesterov) return v;
  return hn::Add(g, hn::Mul(hn::Set(d, step.momentum), v));
}

// b1 * m + (1 - b1) * g.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V FirstMoment(D d, const AdamStep<T>& step, V m, V g) {
  return hn::Add(hn::Mul(hn::Set(d, step.beta1), m), hn::Mul(hn::Set(d, step.one_minus_beta1), g));
}

// b2 * v + ((1 - b2) * g) * g.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V SecondMoment(D d, const AdamStep<T>& step, V v, V g) {
  return hn::Add(hn::Mul(hn::Set(d, step.beta2), v),
                 hn::Mul(hn::Mul(hn::Set(d, step.one_minus_beta2), g), g));
}

// w - decay * w, or w itself if decay is 0; then w - a * (m / (sqrt(v) * r + eps)).
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V AdamWeight(D d, const AdamStep<T>& step, V w, V m, V v) {
  if (step.decay != T{0}) w = hn::Sub(w, hn::Mul(hn::Set(d, step.decay), w));
  const V root = hn::Mul(hn::Sqrt(v), hn::Set(d, step.r));
  const V direction = hn::Div(m, hn::Add(root, hn::Set(d, step.eps)));
  return hn::Sub(w, hn::Mul(hn::Set(d, step.a), direction));
}

// alpha * m + (1 - alpha) * g.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V MeanGradient(D d, const RmsPropStep<T>& step, V m, V g) {
  return hn::Add(hn::Mul(hn::Set(d, step.alpha), m), hn::Mul(hn::Set(d, step.one_minus_alpha), g));
}

// alpha * s + ((1 - alpha) * g) * g.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V MeanSquare(D d, const RmsPropStep<T>& step, V s, V g) {
  return hn::Add(hn::Mul(hn::Set(d, step.alpha), s),
                 hn::Mul(hn::Mul(hn::Set(d, step.one_minus_alpha), g), g));
}

// s - m * m, which is a variance: +0 where rounding makes it negative.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Centered(D d, V s, V m) {
  const V u = hn::Sub(s, hn::Mul(m, m));
  return hn::IfThenElse(hn::Lt(u, hn::Zero(d)), hn::Zero(d), u);
}

// g * scale, limited where it is finite.
template <class D, class T, class V = hn::Vec<D>>
HWY_INLINE V PreparedGradient(D d, T scale, T limit, V g) {
  if (scale != T{1}) g = hn::Mul(g, hn::Set(d, scale));
  if (limit == hn::GetLane(hn::Inf(d))) return g;
  const V most = hn::Set(d, limit), least = hn::Set(d, -limit);
  const V limited =
      hn::IfThenElse(hn::Gt(g, most), most, hn::IfThenElse(hn::Lt(g, least), least, g));
  return hn::IfThenElse(hn::Lt(hn::Abs(g), hn::Inf(d)), limited, g);
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
