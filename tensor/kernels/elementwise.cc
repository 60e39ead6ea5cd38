#include "tensor/kernels/elementwise.h"

#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/elementwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/elementwise-inl.h"
#include "tensor/kernels/slopes-inl.h"
#include "tensor/kernels/trig-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T, class Formula>
HWY_INLINE void unary(const T* x, T* out, std::size_t n, const Formula& formula) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, formula(d, access.load(d, x + i)), out + i);
  });
}

template <class T, class Formula>
HWY_INLINE void binary(const T* a, const T* b, T* out, std::size_t n, const Formula& formula) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, formula(d, access.load(d, a + i), access.load(d, b + i)), out + i);
  });
}

template <class T>
void add(const T* a, const T* b, T* out, std::size_t n) {
  binary(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Add(x, y); });
}

template <class T>
void sub(const T* a, const T* b, T* out, std::size_t n) {
  binary(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Sub(x, y); });
}

template <class T>
void mul(const T* a, const T* b, T* out, std::size_t n) {
  binary(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Mul(x, y); });
}

template <class T>
void div(const T* a, const T* b, T* out, std::size_t n) {
  binary(a, b, out, n, [](auto, auto x, auto y) HWY_ATTR { return hn::Div(x, y); });
}

template <class T>
void scale(const T* x, T s, T* out, std::size_t n) {
  unary(x, out, n, [s](auto d, auto v) HWY_ATTR { return hn::Mul(v, hn::Set(d, s)); });
}

template <class T>
void relu(const T* x, T* out, std::size_t n) {
  unary(x, out, n, [](auto d, auto v) HWY_ATTR { return ZeroUnlessPositive(d, v, v); });
}

template <class T>
void relu_grad(const T* x, const T* g, T* out, std::size_t n) {
  binary(x, g, out, n, [](auto d, auto v, auto u) HWY_ATTR { return ZeroUnlessPositive(d, v, u); });
}

template <class T>
void tanh_grad(const T* g, const T* y, T* out, std::size_t n) {
  binary(g, y, out, n, [](auto d, auto u, auto v) HWY_ATTR { return TanhGrad(d, u, v); });
}

template <class T>
void sigmoid_grad(const T* g, const T* y, T* out, std::size_t n) {
  binary(g, y, out, n, [](auto d, auto u, auto v) HWY_ATTR { return SigmoidGrad(d, u, v); });
}

template <class T>
void rsqrt_grad(const T* g, const T* y, T* out, std::size_t n) {
  binary(g, y, out, n, [](auto d, auto u, auto v) HWY_ATTR { return RsqrtGrad(d, u, v); });
}

template <class T>
void sin_grad(const T* x, const T* g, T* out, std::size_t n) {
  binary(x, g, out, n, [](auto d, auto v, auto u) HWY_ATTR { return hn::Mul(u, Cos(d, v)); });
}

template <class T>
void cos_grad(const T* x, const T* g, T* out, std::size_t n) {
  binary(x, g, out, n,
         [](auto d, auto v, auto u) HWY_ATTR { return hn::Neg(hn::Mul(u, Sin(d, v))); });
}

// g times Slope of x, which is rounded before it multiplies.
template <class Slope, class T>
void slope_grad(const T* x, const T* g, T* out, std::size_t n) {
  binary(x, g, out, n,
         [](auto d, auto v, auto u) HWY_ATTR { return hn::Mul(u, Evaluate<Slope>(d, v)); });
}

template <class T>
ElementwiseTable<T> make_table() {
  return {.add = add,
          .sub = sub,
          .mul = mul,
          .div = div,
          .relu_grad = relu_grad,
          .tanh_grad = tanh_grad,
          .sigmoid_grad = sigmoid_grad,
          .rsqrt_grad = rsqrt_grad,
          .gelu_grad = slope_grad<GeluSlopeFunction, T>,
          .gelu_tanh_grad = slope_grad<GeluTanhSlopeFunction, T>,
          .silu_grad = slope_grad<SiluSlopeFunction, T>,
          .erf_grad = slope_grad<ErfSlopeFunction, T>,
          .sin_grad = sin_grad,
          .cos_grad = cos_grad,
          .relu = relu,
          .scale = scale};
}

ElementwiseTable<float> elementwise_f32() { return make_table<float>(); }
ElementwiseTable<double> elementwise_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(elementwise_f32);
HWY_EXPORT(elementwise_f64);

ElementwiseTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(elementwise_f32)(); }
ElementwiseTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(elementwise_f64)(); }

// Below this many values per thread, waking a thread costs more than it saves.
constexpr std::size_t kMinPerThread = 32768;

template <class T>
void run_unary(UnaryFunction<T> function, std::span<const T> x, std::span<T> out) {
  PALINODE_ASSERT(x.size() == out.size());
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data() + begin, out.data() + begin, end - begin);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

template <class T>
void run_binary(BinaryFunction<T> function, std::span<const T> a, std::span<const T> b,
                std::span<T> out) {
  PALINODE_ASSERT(a.size() == out.size() && b.size() == out.size());
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(a.data() + begin, b.data() + begin, out.data() + begin, end - begin);
  };
  parallel_for(a.size(), kMinPerThread, std::ref(body));
}

}  // namespace

template <class T>
void add(std::span<const T> a, std::span<const T> b, std::span<T> out) {
  run_binary(table(T{}).add, a, b, out);
}

template <class T>
void sub(std::span<const T> a, std::span<const T> b, std::span<T> out) {
  run_binary(table(T{}).sub, a, b, out);
}

template <class T>
void mul(std::span<const T> a, std::span<const T> b, std::span<T> out) {
  run_binary(table(T{}).mul, a, b, out);
}

template <class T>
void div(std::span<const T> a, std::span<const T> b, std::span<T> out) {
  run_binary(table(T{}).div, a, b, out);
}

template <class T>
void scale(std::span<const T> x, T s, std::span<T> out) {
  PALINODE_ASSERT(x.size() == out.size());
  const auto function = table(T{}).scale;
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data() + begin, s, out.data() + begin, end - begin);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

template <class T>
void relu(std::span<const T> x, std::span<T> out) {
  run_unary(table(T{}).relu, x, out);
}

template <class T>
void relu_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).relu_grad, x, g, out);
}

template <class T>
void tanh_grad(std::span<const T> g, std::span<const T> y, std::span<T> out) {
  run_binary(table(T{}).tanh_grad, g, y, out);
}

template <class T>
void sigmoid_grad(std::span<const T> g, std::span<const T> y, std::span<T> out) {
  run_binary(table(T{}).sigmoid_grad, g, y, out);
}

template <class T>
void rsqrt_grad(std::span<const T> g, std::span<const T> y, std::span<T> out) {
  run_binary(table(T{}).rsqrt_grad, g, y, out);
}

template <class T>
void gelu_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).gelu_grad, x, g, out);
}

template <class T>
void gelu_tanh_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).gelu_tanh_grad, x, g, out);
}

template <class T>
void silu_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).silu_grad, x, g, out);
}

template <class T>
void erf_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).erf_grad, x, g, out);
}

template <class T>
void sin_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).sin_grad, x, g, out);
}

template <class T>
void cos_grad(std::span<const T> x, std::span<const T> g, std::span<T> out) {
  run_binary(table(T{}).cos_grad, x, g, out);
}

template void add(std::span<const float>, std::span<const float>, std::span<float>);
template void sub(std::span<const float>, std::span<const float>, std::span<float>);
template void mul(std::span<const float>, std::span<const float>, std::span<float>);
template void div(std::span<const float>, std::span<const float>, std::span<float>);
template void relu_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void tanh_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void sigmoid_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void rsqrt_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void gelu_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void gelu_tanh_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void silu_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void erf_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void sin_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void cos_grad(std::span<const float>, std::span<const float>, std::span<float>);
template void relu(std::span<const float>, std::span<float>);
template void scale(std::span<const float>, float, std::span<float>);
template void add(std::span<const double>, std::span<const double>, std::span<double>);
template void sub(std::span<const double>, std::span<const double>, std::span<double>);
template void mul(std::span<const double>, std::span<const double>, std::span<double>);
template void div(std::span<const double>, std::span<const double>, std::span<double>);
template void relu_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void tanh_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void sigmoid_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void rsqrt_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void gelu_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void gelu_tanh_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void silu_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void erf_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void sin_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void cos_grad(std::span<const double>, std::span<const double>, std::span<double>);
template void relu(std::span<const double>, std::span<double>);
template void scale(std::span<const double>, double, std::span<double>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
