#include "experiments/precision/contenders.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "experiments/precision/highway_math.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments::precision {
namespace {

using In = std::span<const float>;
using Out = std::span<float>;
using Plain = void (*)(In, Out);

template <float (*kFunction)(float)>
void loop(In x, Out out) {
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = kFunction(x[i]);
}

template <HighwayMath<float>::Function HighwayMath<float>::*kMember>
void highway(In x, Out out) {
  (highway_math<float>().*kMember)(x.data(), out.data(), x.size());
}

// A gradient kernel with g = 1 is the derivative.
template <void (*kGradient)(In x, In g, Out out)>
void slope(In x, Out out) {
  static const std::vector<float> ones(4096, 1);
  for (std::size_t i = 0; i < x.size(); i += ones.size()) {
    const std::size_t n = std::min(ones.size(), x.size() - i);
    kGradient(x.subspan(i, n), In(ones).first(n), out.subspan(i, n));
  }
}

// What one would write with libm.
float sigmoid_by_libm(float x) { return 1 / (1 + std::exp(-x)); }
float silu_by_libm(float x) { return x / (1 + std::exp(-x)); }
float gelu_by_libm(float x) { return 0.5F * x * (1 + std::erf(x * 0.70710678F)); }
float gelu_tanh_by_libm(float x) {
  return 0.5F * x * (1 + std::tanh(0.79788456F * (x + 0.044715F * x * x * x)));
}
float rsqrt_by_libm(float x) { return 1 / std::sqrt(x); }
float erf_slope_by_libm(float x) { return 1.1283792F * std::exp(-x * x); }
float gelu_slope_by_libm(float x) {
  return 0.5F * (1 + std::erf(x * 0.70710678F)) + x * 0.39894228F * std::exp(-0.5F * x * x);
}
float gelu_tanh_slope_by_libm(float x) {
  const float t = std::tanh(0.79788456F * (x + 0.044715F * x * x * x));
  return 0.5F * (1 + t) + 0.5F * x * (1 - t * t) * 0.79788456F * (1 + 0.134145F * x * x);
}

float silu_slope_by_libm(float x) {
  const float s = 1 / (1 + std::exp(-x));
  return s * (1 + x * (1 - s));
}

struct Row {
  Plain ours = nullptr, fast = nullptr, highway = nullptr, libm = nullptr;
};

using H = HighwayMath<float>;

const std::map<std::string_view, Row>& rows() {
  using namespace kernels;
  static const std::map<std::string_view, Row> table = {
      {"exp", {exp, exp_fast, highway<&H::exp>, loop<std::exp>}},
      {"log", {log, log_fast, highway<&H::log>, loop<std::log>}},
      {"tanh", {tanh, tanh_fast, highway<&H::tanh>, loop<std::tanh>}},
      {"sin", {sin, sin_fast, highway<&H::sin>, loop<std::sin>}},
      {"cos", {cos, cos_fast, highway<&H::cos>, loop<std::cos>}},
      {"sigmoid", {sigmoid, sigmoid_fast, highway<&H::sigmoid>, loop<sigmoid_by_libm>}},
      {"erf", {erf, erf_fast, nullptr, loop<std::erf>}},
      {"gelu", {gelu, gelu_fast, nullptr, loop<gelu_by_libm>}},
      {"gelu_tanh", {gelu_tanh, gelu_tanh_fast, highway<&H::gelu_tanh>, loop<gelu_tanh_by_libm>}},
      {"silu", {silu, silu_fast, highway<&H::silu>, loop<silu_by_libm>}},
      {"rsqrt", {rsqrt, rsqrt_fast, highway<&H::rsqrt>, loop<rsqrt_by_libm>}},
      {"gelu_slope",
       {slope<gelu_grad<float>>, slope<gelu_grad_fast>, nullptr, loop<gelu_slope_by_libm>}},
      {"gelu_tanh_slope",
       {slope<gelu_tanh_grad<float>>, slope<gelu_tanh_grad_fast>, nullptr,
        loop<gelu_tanh_slope_by_libm>}},
      {"silu_slope",
       {slope<silu_grad<float>>, slope<silu_grad_fast>, nullptr, loop<silu_slope_by_libm>}},
      {"erf_slope",
       {slope<erf_grad<float>>, slope<erf_grad_fast>, nullptr, loop<erf_slope_by_libm>}},
      {"exp2", {.libm = loop<std::exp2>}},
      {"expm1", {.highway = highway<&H::expm1>, .libm = loop<std::expm1>}},
      {"log2", {.highway = highway<&H::log2>, .libm = loop<std::log2>}},
      {"log10", {.highway = highway<&H::log10>, .libm = loop<std::log10>}},
      {"log1p", {.highway = highway<&H::log1p>, .libm = loop<std::log1p>}},
      {"tan", {.libm = loop<std::tan>}},
      {"asin", {.highway = highway<&H::asin>, .libm = loop<std::asin>}},
      {"acos", {.highway = highway<&H::acos>, .libm = loop<std::acos>}},
      {"atan", {.highway = highway<&H::atan>, .libm = loop<std::atan>}},
      {"sinh", {.highway = highway<&H::sinh>, .libm = loop<std::sinh>}},
      {"cosh", {.libm = loop<std::cosh>}},
      {"asinh", {.highway = highway<&H::asinh>, .libm = loop<std::asinh>}},
      {"acosh", {.highway = highway<&H::acosh>, .libm = loop<std::acosh>}},
      {"atanh", {.highway = highway<&H::atanh>, .libm = loop<std::atanh>}},
      {"erfc", {.libm = loop<std::erfc>}},
      {"cbrt", {.libm = loop<std::cbrt>}},
  };
  return table;
}

constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kLeast = std::numeric_limits<float>::denorm_min();

// What hwy/contrib/math/math-inl.h of Highway 1.0.3 says of each function: valid range, largest
// error. Of those made from them here, the range alone.
struct Documented {
  std::string_view name;
  float low, high;
  double ulp;
};
constexpr Documented kHighway[] = {
    {"acos", -1, 1, 2},
    {"acosh", 1, kMax, 3},
    {"asin", -1, 1, 2},
    {"asinh", -kMax, kMax, 3},
    {"atan", -kMax, kMax, 3},
    {"atanh", -0x1.fffffep-1F, 0x1.fffffep-1F, 3},
    {"cos", -39000, 39000, 3},
    {"exp", -kMax, 104, 1},
    {"expm1", -kMax, 104, 4},
    {"log", kLeast, kMax, 4},
    {"log10", kLeast, kMax, 2},
    {"log1p", 0, kMax, 2},
    {"log2", kLeast, kMax, 2},
    {"sin", -39000, 39000, 3},
    {"sinh", -88.7228F, 88.7228F, 4},
    {"tanh", -kMax, kMax, 4},
    {"sigmoid", -104, kMax, 0},
    {"silu", -104, kMax, 0},
};

void document(std::string_view name, Contender& contender) {
  for (const Documented& row : kHighway) {
    if (row.name != name) continue;
    contender.low = row.low;
    contender.high = row.high;
    contender.promised = row.ulp;
  }
}

}  // namespace

std::vector<Contender> contenders(const Reference& reference) {
  const Row& row = rows().at(reference.name);
  std::vector<Contender> list;
  const auto add = [&list](const char* name, bool ours, Plain run) {
    if (run == nullptr) return;
    Contender& contender = list.emplace_back();
    contender.name = name;
    contender.ours = ours;
    contender.run = run;
  };
  add("Palinode", true, row.ours);
  add("Palinode fast", true, row.fast);
  add("Highway", false, row.highway);
  if (row.highway != nullptr) document(reference.name, list.back());
  add("libm", false, row.libm);
  return list;
}

}  // namespace palinode::experiments::precision
