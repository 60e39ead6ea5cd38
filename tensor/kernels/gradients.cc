#include "tensor/kernels/gradients.h"

#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/layer_tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/gradients.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/fast-inl.h"
#include "tensor/kernels/fast_erf-inl.h"
#include "tensor/kernels/fast_trig-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

void silu(const float* x, float* out, std::size_t n) {
  const hn::ScalableTag<float> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto v = access.load(d, x + i);
    access.store(d, hn::Mul(v, SigmoidFast(d, v)), out + i);
  });
}

// g times slope(x).
template <class Slope>
HWY_INLINE void times(const float* x, const float* g, float* out, std::size_t n,
                      const Slope& slope) {
  const hn::ScalableTag<float> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto y = slope(d, access.load(d, x + i));
    access.store(d, hn::Mul(access.load(d, g + i), y), out + i);
  });
}

void silu_grad(const float* x, const float* g, float* out, std::size_t n) {
  times(x, g, out, n, [](auto d, auto v) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f);
    const auto s = SigmoidFast(d, v);
    return hn::Mul(s, hn::Add(one, hn::Mul(v, hn::Sub(one, s))));
  });
}

// e^-z for z >= 0 whose result is a normal number.
template <class D, class V>
HWY_INLINE V ExpOfMinus(D d, V z) {
  V shifted;
  const V t = fast::ReducedExpm1(d, hn::Neg(z), hn::Zero(d), shifted);
  const V scale = fast::PowerOfTwo(d, shifted, hn::Set(d, 1.0f));
  return Fma(d, scale, t, scale);
}

// With m = e^(a^2/2) Phi(-a) and f = e^(-a^2/2): f (m - a / sqrt(2 pi)) at x = -a, and 1 less that
// at x = a.
void gelu_grad(const float* x, const float* g, float* out, std::size_t n) {
  times(x, g, out, n, [](auto d, auto v) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f);
    const auto a = fast::AtMost(d, hn::Abs(v), 13.0f);
    const auto f = ExpOfMinus(d, (a * a) * hn::Set(d, 0.5f));
    const auto w = one / (a + hn::Set(d, 2.0f));
    const auto u = w - hn::Set(d, fast::kMillsCenter);
    const auto p = Fma(d, fast::Horner(d, u, fast::kMills), u, hn::Set(d, fast::kMillsHigh));
    const auto rest = Fma(d, a, hn::Set(d, -0x1.988454p-2f), p * w);
    const auto below = f * rest;
    return hn::IfThenElse(v < hn::Zero(d), below, one - below);
  });
}

// With e = e^-|w|, w = x (c1 + c3 x^2), i = 1 / (1 + e), s = e i and r = |x| (c1 + 3 c3 x^2):
// s - s r i below 0, i + i r s elsewhere.
void gelu_tanh_grad(const float* x, const float* g, float* out, std::size_t n) {
  times(x, g, out, n, [](auto d, auto v) HWY_ATTR {
    const auto one = hn::Set(d, 1.0f);
    const auto c1 = hn::Set(d, 0x1.988454p+0f);
    const auto a = fast::AtMost(d, hn::Abs(v), 9.75f);
    const auto square = a * a;
    const auto e = ExpOfMinus(d, a * Fma(d, hn::Set(d, 0x1.2444f2p-4f), square, c1));
    const auto r = a * Fma(d, hn::Set(d, 0x1.b6676cp-3f), square, c1);
    const auto i = one / (one + e);
    const auto s = e * i;
    const auto below = Fma(d, hn::Neg(r * i), s, s);
    const auto above = Fma(d, r * s, i, i);
    return hn::IfThenElse(v < hn::Zero(d), below, above);
  });
}

void sin_grad(const float* x, const float* g, float* out, std::size_t n) {
  times(x, g, out, n, [](auto d, auto v) HWY_ATTR { return CosFast(d, v); });
}

void cos_grad(const float* x, const float* g, float* out, std::size_t n) {
  times(x, g, out, n, [](auto d, auto v) HWY_ATTR { return hn::Neg(SinFast(d, v)); });
}

void erf_grad(const float* x, const float* g, float* out, std::size_t n) {
  times(x, g, out, n, [](auto d, auto v) HWY_ATTR {
    return hn::Mul(hn::Set(d, 0x1.20dd76p+0f), ExpFast(d, hn::Sub(hn::Zero(d), hn::Mul(v, v))));
  });
}

GradientTable gradient_table() {
  return {.silu_fast = silu,
          .silu_grad_fast = silu_grad,
          .gelu_grad_fast = gelu_grad,
          .gelu_tanh_grad_fast = gelu_tanh_grad,
          .sin_grad_fast = sin_grad,
          .cos_grad_fast = cos_grad,
          .erf_grad_fast = erf_grad};
}

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(gradient_table);

GradientTable table() { return HWY_DYNAMIC_DISPATCH(gradient_table)(); }

// Below this many values per thread, waking a thread costs more than it saves.
constexpr std::size_t kMinPerThread = 16384;

template <class T>
void run(UnaryFunction<T> function, std::span<const T> x, std::span<T> out) {
  PALINODE_ASSERT(x.size() == out.size());
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data() + begin, out.data() + begin, end - begin);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

template <class T>
void run(BinaryFunction<T> function, std::span<const T> x, std::span<const T> g, std::span<T> out) {
  PALINODE_ASSERT(x.size() == out.size() && g.size() == out.size());
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data() + begin, g.data() + begin, out.data() + begin, end - begin);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

}  // namespace

void silu_fast(std::span<const float> x, std::span<float> out) { run(table().silu_fast, x, out); }

void silu_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out) {
  run(table().silu_grad_fast, x, g, out);
}

void gelu_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out) {
  run(table().gelu_grad_fast, x, g, out);
}
void gelu_tanh_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out) {
  run(table().gelu_tanh_grad_fast, x, g, out);
}

void sin_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out) {
  run(table().sin_grad_fast, x, g, out);
}
void cos_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out) {
  run(table().cos_grad_fast, x, g, out);
}
void erf_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out) {
  run(table().erf_grad_fast, x, g, out);
}

}  // namespace palinode::kernels
#endif  // HWY_ONCE
