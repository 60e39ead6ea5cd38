#include "tensor/kernels/math.h"

#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/math.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/erf-inl.h"
#include "tensor/kernels/fma-inl.h"
#include "tensor/kernels/math-inl.h"
#include "tensor/kernels/sigmoid-inl.h"
#include "tensor/kernels/trig-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class Function, class T>
void map(const T* x, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    access.store(d, Evaluate<Function>(d, access.load(d, x + i)), out + i);
  });
}

template <class T>
void fma(const T* a, const T* b, const T* c, T* out, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto sum = Fma(d, access.load(d, a + i), access.load(d, b + i), access.load(d, c + i));
    access.store(d, sum, out + i);
  });
}

void sin_cos_turns(const double* u, double* sin, double* cos, std::size_t n) {
  const hn::ScalableTag<double> d;
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    hn::Vec<decltype(d)> s, c;
    SinCosTurns(d, access.load(d, u + i), s, c);
    access.store(d, s, sin + i);
    access.store(d, c, cos + i);
  });
}

template <class T>
MathTable<T> make_table() {
  return {.exp = map<ExpFunction, T>,
          .log = map<LogFunction, T>,
          .tanh = map<TanhFunction, T>,
          .sigmoid = map<SigmoidFunction, T>,
          .erf = map<ErfFunction, T>,
          .gelu = map<GeluFunction, T>,
          .gelu_tanh = map<GeluTanhFunction, T>,
          .silu = map<SiluFunction, T>,
          .sin = map<SinFunction, T>,
          .cos = map<CosFunction, T>,
          .rsqrt = map<RsqrtFunction, T>,
          .fma = fma<T>};
}

MathTable<float> math_f32() { return make_table<float>(); }
MathTable<double> math_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(math_f32);
HWY_EXPORT(math_f64);
HWY_EXPORT(sin_cos_turns);

MathTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(math_f32)(); }
MathTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(math_f64)(); }

// Below this many values per thread, waking a thread costs more than it saves.
constexpr std::size_t kMinPerThread = 8192;

template <class T>
void run(UnaryFunction<T> function, std::span<const T> x, std::span<T> out) {
  PALINODE_ASSERT(out.size() == x.size());
  const auto body = [&](std::size_t begin, std::size_t end) {
    function(x.data() + begin, out.data() + begin, end - begin);
  };
  parallel_for(x.size(), kMinPerThread, std::ref(body));
}

template <class T>
void run_fma(std::span<const T> a, std::span<const T> b, std::span<const T> c, std::span<T> out) {
  PALINODE_ASSERT(b.size() == a.size() && c.size() == a.size() && out.size() == a.size());
  table(T{}).fma(a.data(), b.data(), c.data(), out.data(), a.size());
}

}  // namespace

void exp(std::span<const float> x, std::span<float> out) { run(table(float{}).exp, x, out); }
void exp(std::span<const double> x, std::span<double> out) { run(table(double{}).exp, x, out); }

void log(std::span<const float> x, std::span<float> out) { run(table(float{}).log, x, out); }
void log(std::span<const double> x, std::span<double> out) { run(table(double{}).log, x, out); }

void tanh(std::span<const float> x, std::span<float> out) { run(table(float{}).tanh, x, out); }
void tanh(std::span<const double> x, std::span<double> out) { run(table(double{}).tanh, x, out); }

void sigmoid(std::span<const float> x, std::span<float> out) {
  run(table(float{}).sigmoid, x, out);
}
void sigmoid(std::span<const double> x, std::span<double> out) {
  run(table(double{}).sigmoid, x, out);
}

void erf(std::span<const float> x, std::span<float> out) { run(table(float{}).erf, x, out); }
void erf(std::span<const double> x, std::span<double> out) { run(table(double{}).erf, x, out); }

void gelu(std::span<const float> x, std::span<float> out) { run(table(float{}).gelu, x, out); }
void gelu(std::span<const double> x, std::span<double> out) { run(table(double{}).gelu, x, out); }

void gelu_tanh(std::span<const float> x, std::span<float> out) {
  run(table(float{}).gelu_tanh, x, out);
}
void gelu_tanh(std::span<const double> x, std::span<double> out) {
  run(table(double{}).gelu_tanh, x, out);
}

void silu(std::span<const float> x, std::span<float> out) { run(table(float{}).silu, x, out); }
void silu(std::span<const double> x, std::span<double> out) { run(table(double{}).silu, x, out); }

void sin(std::span<const float> x, std::span<float> out) { run(table(float{}).sin, x, out); }
void sin(std::span<const double> x, std::span<double> out) { run(table(double{}).sin, x, out); }

void cos(std::span<const float> x, std::span<float> out) { run(table(float{}).cos, x, out); }
void cos(std::span<const double> x, std::span<double> out) { run(table(double{}).cos, x, out); }

void rsqrt(std::span<const float> x, std::span<float> out) { run(table(float{}).rsqrt, x, out); }
void rsqrt(std::span<const double> x, std::span<double> out) { run(table(double{}).rsqrt, x, out); }

void sin_cos_turns(std::span<const double> u, std::span<double> sin, std::span<double> cos) {
  PALINODE_ASSERT(sin.size() == u.size() && cos.size() == u.size());
  HWY_DYNAMIC_DISPATCH(sin_cos_turns)(u.data(), sin.data(), cos.data(), u.size());
}

void fma(std::span<const float> a, std::span<const float> b, std::span<const float> c,
         std::span<float> out) {
  run_fma(a, b, c, out);
}

void fma(std::span<const double> a, std::span<const double> b, std::span<const double> c,
         std::span<double> out) {
  run_fma(a, b, c, out);
}

}  // namespace palinode::kernels
#endif  // HWY_ONCE
