#include "bench/simd_peers.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/simd_peers.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// After foreach_target.h, which includes this file once for every target.
#include <hwy/contrib/math/math-inl.h>

#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::TFromD<D> fold(D d, hn::Vec<D> v,
                              hn::TFromD<D> (*join)(hn::TFromD<D>, hn::TFromD<D>)) {
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(D())];
  hn::Store(v, d, lanes);
  hn::TFromD<D> result = lanes[0];
  for (std::size_t i = 1; i < hn::Lanes(d); ++i) result = join(result, lanes[i]);
  return result;
}

template <class T>
HWY_NOINLINE double fma_steps(std::size_t steps) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kChains = 12;
  hn::Vec<decltype(d)> acc[kChains];
  HWY_UNROLL(12)
  for (std::size_t i = 0; i < kChains; ++i) acc[i] = hn::Set(d, static_cast<T>(i));
  const auto a = hn::Set(d, static_cast<T>(0.999)), b = hn::Set(d, static_cast<T>(0.001));
  for (std::size_t step = 0; step < steps; ++step) {
    HWY_UNROLL(12)
    for (std::size_t i = 0; i < kChains; ++i) acc[i] = kernels::HWY_NAMESPACE::Fma(d, acc[i], a, b);
  }
  auto all = acc[0];
  HWY_UNROLL(12)
  for (std::size_t i = 1; i < kChains; ++i) all = hn::Add(all, acc[i]);
  // The result is asked for, so that the work is not dropped; it is never negative.
  const T total = fold(
      d, all, +[](T x, T y) { return x + y; });
  return total < 0 ? 0 : static_cast<double>(2 * kChains * hn::Lanes(d) * steps);
}

double fma_steps_f32(std::size_t steps) { return fma_steps<float>(steps); }
double fma_steps_f64(std::size_t steps) { return fma_steps<double>(steps); }

// Joins all values with `join`, in eight vectors; `scalar` does the same to two values.
template <class Join>
HWY_INLINE float reduce(const float* x, std::size_t n, const Join& join,
                        float (*scalar)(float, float)) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  constexpr std::size_t kChains = 8;
  std::size_t i = 0;
  float result = x[i++];
  if (n > kChains * lanes) {
    hn::Vec<decltype(d)> acc[kChains];
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kChains; ++v) acc[v] = hn::LoadU(d, x + v * lanes);
    for (i = kChains * lanes; i + kChains * lanes <= n; i += kChains * lanes) {
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kChains; ++v) {
        acc[v] = join(acc[v], hn::LoadU(d, x + i + v * lanes));
      }
    }
    HWY_UNROLL(8)
    for (std::size_t v = 1; v < kChains; ++v) acc[0] = join(acc[0], acc[v]);
    result = fold(d, acc[0], scalar);
  }
  for (; i < n; ++i) result = scalar(result, x[i]);
  return result;
}

HWY_NOINLINE float sum_any_order(const float* x, std::size_t n) {
  return reduce(
      x, n, [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); },
      +[](float a, float b) { return a + b; });
}

HWY_NOINLINE float max_any_order(const float* x, std::size_t n) {
  return reduce(
      x, n, [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); },
      +[](float a, float b) { return std::max(a, b); });
}

// out = f(x), with what is left computed through a padded vector.
template <class F>
HWY_INLINE void map(const float* x, float* out, std::size_t n, const F& f) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, x + i)), d, out + i);
  if (i == n) return;
  HWY_ALIGN float rest[hn::MaxLanes(hn::ScalableTag<float>())] = {};
  std::copy(x + i, x + n, rest);
  hn::Store(f(d, hn::Load(d, rest)), d, rest);
  std::copy(rest, rest + (n - i), out + i);
}

HWY_NOINLINE void copy(const float* x, float* out, std::size_t n) {
  map(x, out, n, [](auto, auto v) HWY_ATTR { return v; });
}

HWY_NOINLINE void softmax(const float* x, float* out, std::size_t n) {
  const float m = max_any_order(x, n);
  map(x, out, n, [m](auto d, auto v) HWY_ATTR { return hn::Exp(d, hn::Sub(v, hn::Set(d, m))); });
  const float scale = 1 / sum_any_order(out, n);
  map(out, out, n, [scale](auto d, auto v) HWY_ATTR { return hn::Mul(v, hn::Set(d, scale)); });
}

}  // namespace
}  // namespace palinode::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::bench {
namespace {

HWY_EXPORT(fma_steps_f32);
HWY_EXPORT(fma_steps_f64);
HWY_EXPORT(sum_any_order);
HWY_EXPORT(max_any_order);
HWY_EXPORT(copy);
HWY_EXPORT(softmax);

}  // namespace

double fma_f32(std::size_t steps) { return HWY_DYNAMIC_DISPATCH(fma_steps_f32)(steps); }
double fma_f64(std::size_t steps) { return HWY_DYNAMIC_DISPATCH(fma_steps_f64)(steps); }

float plain_sum(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(sum_any_order)(x.data(), x.size());
}
float plain_max(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(max_any_order)(x.data(), x.size());
}
void plain_copy(std::span<const float> x, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(copy)(x.data(), out.data(), x.size());
}
void highway_softmax(std::span<const float> x, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(softmax)(x.data(), out.data(), x.size());
}

}  // namespace palinode::bench
#endif  // HWY_ONCE
