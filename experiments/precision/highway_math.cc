#include "experiments/precision/highway_math.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "experiments/precision/highway_math.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// After foreach_target.h, which includes this file once for every target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace palinode::experiments::precision::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// out = f(x), with what is left computed through a padded vector.
template <class T, class F>
HWY_INLINE void map(const T* x, T* out, std::size_t n, const F& f) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, x + i)), d, out + i);
  if (i == n) return;
  HWY_ALIGN T rest[hn::MaxLanes(hn::ScalableTag<T>())] = {};
  std::copy(x + i, x + n, rest);
  hn::Store(f(d, hn::Load(d, rest)), d, rest);
  std::copy(rest, rest + (n - i), out + i);
}

template <class D, class V>
HWY_INLINE V logistic(D d, V v) {
  const auto one = hn::Set(d, static_cast<hn::TFromD<D>>(1));
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(v))));
}

// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
template <class D, class V>
HWY_INLINE V gelu_by_tanh(D d, V v) {
  using T = hn::TFromD<D>;
  const V cube = hn::Mul(hn::Mul(v, v), v);
  const V inner = hn::Mul(hn::Set(d, static_cast<T>(0.7978845608028654)),
                          hn::Add(v, hn::Mul(hn::Set(d, static_cast<T>(0.044715)), cube)));
  const V half = hn::Mul(hn::Set(d, static_cast<T>(0.5)), v);
  return hn::Mul(half, hn::Add(hn::Set(d, static_cast<T>(1)), hn::Tanh(d, inner)));
}

template <class T>
HWY_NOINLINE void exp(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Exp(d, v); });
}
template <class T>
HWY_NOINLINE void expm1(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Expm1(d, v); });
}
template <class T>
HWY_NOINLINE void log(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Log(d, v); });
}
template <class T>
HWY_NOINLINE void log2(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Log2(d, v); });
}
template <class T>
HWY_NOINLINE void log10(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Log10(d, v); });
}
template <class T>
HWY_NOINLINE void log1p(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Log1p(d, v); });
}
template <class T>
HWY_NOINLINE void sin(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Sin(d, v); });
}
template <class T>
HWY_NOINLINE void cos(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Cos(d, v); });
}
template <class T>
HWY_NOINLINE void tanh(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Tanh(d, v); });
}
template <class T>
HWY_NOINLINE void sinh(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Sinh(d, v); });
}
template <class T>
HWY_NOINLINE void asin(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Asin(d, v); });
}
template <class T>
HWY_NOINLINE void acos(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Acos(d, v); });
}
template <class T>
HWY_NOINLINE void atan(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Atan(d, v); });
}
template <class T>
HWY_NOINLINE void asinh(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Asinh(d, v); });
}
template <class T>
HWY_NOINLINE void acosh(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Acosh(d, v); });
}
template <class T>
HWY_NOINLINE void atanh(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Atanh(d, v); });
}
template <class T>
HWY_NOINLINE void sigmoid(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return logistic(d, v); });
}
template <class T>
HWY_NOINLINE void silu(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Mul(v, logistic(d, v)); });
}
template <class T>
HWY_NOINLINE void gelu_tanh(const T* x, T* out, std::size_t n) {
  map(x, out, n, [](auto d, auto v) HWY_ATTR { return gelu_by_tanh(d, v); });
}
template <class T>
HWY_NOINLINE void rsqrt(const T* x, T* out, std::size_t n) {
  map(x, out, n,
      [](auto d, auto v) HWY_ATTR { return hn::Div(hn::Set(d, static_cast<T>(1)), hn::Sqrt(v)); });
}

template <class T>
const HighwayMath<T>* table() {
  static const HighwayMath<T> functions = {exp<T>,   expm1<T>,   log<T>,  log2<T>,      log10<T>,
                                           log1p<T>, sin<T>,     cos<T>,  tanh<T>,      sinh<T>,
                                           asin<T>,  acos<T>,    atan<T>, asinh<T>,     acosh<T>,
                                           atanh<T>, sigmoid<T>, silu<T>, gelu_tanh<T>, rsqrt<T>};
  return &functions;
}

const HighwayMath<float>* table_f32() { return table<float>(); }
const HighwayMath<double>* table_f64() { return table<double>(); }

}  // namespace
}  // namespace palinode::experiments::precision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::experiments::precision {
namespace {

HWY_EXPORT(table_f32);
HWY_EXPORT(table_f64);

}  // namespace

template <>
const HighwayMath<float>& highway_math() {
  return *HWY_DYNAMIC_DISPATCH(table_f32)();
}
template <>
const HighwayMath<double>& highway_math() {
  return *HWY_DYNAMIC_DISPATCH(table_f64)();
}

}  // namespace palinode::experiments::precision
#endif  // HWY_ONCE
