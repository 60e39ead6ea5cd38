#include <fmt/format.h>

#include <cmath>

#include "bench/case.h"
#include "bench/limits.h"
#include "experiments/precision/highway_math.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/update.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

constexpr std::size_t kCount = 16384;

using Unary = void (*)(std::span<const float> x, std::span<float> out);

// out[i] = f(x[i]) by a loop.
template <float (*kFunction)(float)>
void loop(std::span<const float> x, std::span<float> out) {
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = kFunction(x[i]);
}

using HighwayF32 = experiments::precision::HighwayMath<float>;

template <HighwayF32::Function HighwayF32::*kMember>
void highway(std::span<const float> x, std::span<float> out) {
  (experiments::precision::highway_math<float>().*kMember)(x.data(), out.data(), x.size());
}

// A function of one value: name, range of its arguments, ours in both forms, Highway's if it has
// one, libm's or what one would write with it.
struct Function {
  const char* name;
  double low, high;
  Unary ours, fast, highway, libm;
};

float sigmoid_by_libm(float x) { return 1 / (1 + std::exp(-x)); }
float gelu_by_libm(float x) { return 0.5F * x * (1 + std::erf(x * 0.70710678F)); }
float gelu_tanh_by_libm(float x) {
  return 0.5F * x * (1 + std::tanh(0.79788456F * (x + 0.044715F * x * x * x)));
}
float rsqrt_by_libm(float x) { return 1 / std::sqrt(x); }

using namespace kernels;
const Function kFunctions[] = {
    {"exp", -20, 20, exp, exp_fast, highway<&HighwayF32::exp>, loop<std::exp>},
    {"log", 1e-3, 1e3, log, log_fast, highway<&HighwayF32::log>, loop<std::log>},
    {"tanh", -4, 4, tanh, tanh_fast, highway<&HighwayF32::tanh>, loop<std::tanh>},
    {"sigmoid", -8, 8, sigmoid, sigmoid_fast, nullptr, loop<sigmoid_by_libm>},
    {"erf", -4, 4, erf, erf_fast, nullptr, loop<std::erf>},
    {"gelu", -4, 4, gelu, gelu_fast, nullptr, loop<gelu_by_libm>},
    {"gelu_tanh", -4, 4, gelu_tanh, gelu_tanh_fast, nullptr, loop<gelu_tanh_by_libm>},
    {"sin", -100, 100, sin, sin_fast, highway<&HighwayF32::sin>, loop<std::sin>},
    {"cos", -100, 100, cos, cos_fast, highway<&HighwayF32::cos>, loop<std::cos>},
    {"rsqrt", 1e-3, 1e3, rsqrt, rsqrt_fast, nullptr, loop<rsqrt_by_libm>},
};

Case function_case(const Function& f, Unary ours, const char* form, const char* note) {
  return {.what = fmt::format("{}{} f32", f.name, form),
          .unit = Unit::kNanoseconds,
          .work = double(kCount),
          .make =
              [f, ours] {
                set_threads(1);
                const Buffer<float> x(kCount, f.low, f.high), out(kCount);
                std::vector<Contender> list;
                const auto add = [&](const char* name, Unary run) {
                  if (run == nullptr) return;
                  list.push_back({.name = name, .run = [=] { run(x.in(), out.out()); }});
                };
                add("Palinode", ours);
                add("Highway", f.highway);
                add("libm", f.libm);
                return list;
              },
          .note = note};
}

// The operands of an element-by-element kernel; which of them it uses is its business.
struct Arrays {
  std::span<const float> a, b, c, d;
  std::span<float> out, out2, out3;
};

// A kernel bound by memory, over n elements of `arrays` arrays that it reads and writes: ours, and
// what a loop does to element i.
template <class Ours, class Plain>
Case stream(const char* name, std::size_t arrays, std::size_t n, Ours ours, Plain plain) {
  const std::size_t bytes = arrays * n * sizeof(float);
  return {.what = fmt::format("{} f32 {} Ki", name, n / 1024),
          .unit = Unit::kGbytes,
          .work = double(bytes),
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const Buffer<float> a(n), b(n), c(n), d(n, 0, 1), out(n), out2(n), out3(n);
            const auto view = [=]() -> Arrays {
              return {a.in(), b.in(), c.in(), d.in(), out.out(), out2.out(), out3.out()};
            };
            const auto loop_over = [=] {
              const Arrays x = view();
              for (std::size_t i = 0; i < n; ++i) plain(x, i);
            };
            return {{.name = "Palinode", .run = [=] { ours(view()); }},
                    {.name = "plain loop", .run = loop_over},
                    copy_limit(bytes)};
          }};
}

constexpr kernels::SgdStep<float> kSgd{.lr = 1e-3F, .momentum = 0.9F};
constexpr kernels::AdamStep<float> kAdam{.beta1 = 0.9F,
                                         .one_minus_beta1 = 0.1F,
                                         .beta2 = 0.999F,
                                         .one_minus_beta2 = 0.001F,
                                         .a = 1e-3F,
                                         .r = 0.5F,
                                         .eps = 1e-8F};

void plain_adam(const Arrays& x, std::size_t i) {
  const float m = kAdam.beta1 * x.c[i] + kAdam.one_minus_beta1 * x.a[i];
  const float v = kAdam.beta2 * x.d[i] + kAdam.one_minus_beta2 * x.a[i] * x.a[i];
  x.out2[i] = m;
  x.out3[i] = v;
  x.out[i] = x.b[i] - kAdam.a * (m / (std::sqrt(v) / kAdam.r + kAdam.eps));
}

void plain_momentum(const Arrays& x, std::size_t i) {
  const float v = kSgd.momentum * x.c[i] + x.a[i];
  x.out2[i] = v;
  x.out[i] = x.b[i] - kSgd.lr * v;
}

std::vector<Case> streams(std::size_t n) {
  using At = std::size_t;
  return {
      stream(
          "add", 3, n, [](const Arrays& x) { add<float>(x.a, x.b, x.out); },
          [](const Arrays& x, At i) { x.out[i] = x.a[i] + x.b[i]; }),
      stream(
          "mul", 3, n, [](const Arrays& x) { mul<float>(x.a, x.b, x.out); },
          [](const Arrays& x, At i) { x.out[i] = x.a[i] * x.b[i]; }),
      stream(
          "relu", 2, n, [](const Arrays& x) { relu<float>(x.a, x.out); },
          [](const Arrays& x, At i) { x.out[i] = x.a[i] <= 0 ? 0 : x.a[i]; }),
      stream(
          "SGD update", 3, n, [](const Arrays& x) { sgd<float>(kSgd, x.a, x.b, x.out); },
          [](const Arrays& x, At i) { x.out[i] = x.b[i] - kSgd.lr * x.a[i]; }),
      stream(
          "momentum update", 5, n,
          [](const Arrays& x) { sgd_momentum<float>(kSgd, x.a, x.b, x.c, x.out, x.out2); },
          [](const Arrays& x, At i) { plain_momentum(x, i); }),
      stream(
          "Adam update", 7, n,
          [](const Arrays& x) { adam<float>(kAdam, x.a, x.b, x.c, x.d, x.out, x.out2, x.out3); },
          [](const Arrays& x, At i) { plain_adam(x, i); }),
  };
}

}  // namespace

std::vector<Case> elementwise_cases() {
  std::vector<Case> list;
  for (const Function& f : kFunctions) {
    list.push_back(function_case(f, f.ours, "", "correctly rounded, all 2^32 inputs"));
    list.push_back(function_case(f, f.fast, "_fast", "at most 1.5 ULP, all 2^32 inputs"));
  }
  for (const std::size_t n : {std::size_t{16} << 10, std::size_t{1} << 20}) {
    for (Case& each : streams(n)) list.push_back(std::move(each));
  }
  return list;
}

}  // namespace palinode::bench
