#include "experiments/precision/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "experiments/precision/exact.h"
#include "experiments/precision/judge.h"
#include "experiments/precision/near.h"
#include "tensor/error.h"

namespace palinode::experiments::precision {
namespace {

using In = std::span<const float>;
using Out = std::span<double>;

template <void (*kFunction)(std::span<double>)>
void plain(In x, Out y) {
  std::copy(x.begin(), x.end(), y.begin());
  kFunction(y);
}

// y[i] = after(x[i], f(before(x[i]))).
template <class Before, class After>
void around(void (*function)(std::span<double>), In x, Out y, Before before, After after) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = before(static_cast<double>(x[i]));
  function(y);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = after(static_cast<double>(x[i]), y[i]);
}

// Below this, results that vanish are below half the least f32; their limit at -inf is -0.
constexpr double kGone = -200;

void sigmoid(In x, Out y) {
  around(
      near::exp, x, y, [](double v) { return -v; }, [](double, double e) { return 1 / (1 + e); });
}

void silu(In x, Out y) {
  around(
      near::exp, x, y, [](double v) { return -v; },
      [](double v, double e) { return v < kGone ? -0.0 : v / (1 + e); });
}

void gelu(In x, Out y) {
  around(
      near::erfc, x, y, [](double v) { return v * -M_SQRT1_2; },
      [](double v, double e) { return v < kGone ? -0.0 : 0.5 * v * e; });
}

// 2 sqrt(2/pi) (v + 0.044715 v^3).
double gelu_tanh_exponent(double v) { return 0x1.9884533d43651p+0 * v * (1 + 0.044715 * (v * v)); }

void gelu_tanh(In x, Out y) {
  around(
      near::exp, x, y, [](double v) { return -gelu_tanh_exponent(v); },
      [](double v, double e) { return v < kGone ? -0.0 : v / (1 + e); });
}

// Phi(v) + v phi(v).
void gelu_slope(In x, Out y) {
  std::vector<double> density(x.size());
  around(
      near::exp, x, density, [](double v) { return -0.5 * (v * v); },
      [](double v, double e) {
        // The sum's sign is the density's far below, and 1 far above.
        if (std::abs(v) > 30) return v < 0 ? -0.0 : 0.0;
        return v * e * 0x1.9884533d43651p-2;
      });
  around(
      near::erfc, x, y, [](double v) { return v * -M_SQRT1_2; },
      [](double v, double e) { return v < -30 ? -0.0 : 0.5 * e; });
  for (std::size_t i = 0; i < x.size(); ++i) y[i] += density[i];
}

// s (1 + v (1 - s) w'), s = sigmoid(w), w = gelu_tanh_exponent(v).
void gelu_tanh_slope(In x, Out y) {
  around(
      near::exp, x, y, [](double v) { return -gelu_tanh_exponent(v); },
      [](double v, double e) {
        if (v < -20) return -0.0;
        const double slope = 0x1.9884533d43651p+0 * (1 + 3 * 0.044715 * (v * v));
        const double s = 1 / (1 + e);
        return v > 20 ? 1.0 : s * (1 + v * slope * (e * s));
      });
}

// s (1 + v (1 - s)), s = sigmoid(v).
void silu_slope(In x, Out y) {
  around(
      near::exp, x, y, [](double v) { return -v; },
      [](double v, double e) {
        if (v < kGone) return -0.0;
        const double s = 1 / (1 + e);
        return v > 200 ? 1.0 : s * (1 + v * (e * s));
      });
}

void erf_slope(In x, Out y) {
  around(
      near::exp, x, y, [](double v) { return -(v * v); },
      [](double, double e) { return e * M_2_SQRTPI; });
}

// The square root and the quotient err by half an ULP each.
void rsqrt(In x, Out y) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = 1 / std::sqrt(static_cast<double>(x[i]));
}

constexpr auto kRising = Trend::kRising, kFalling = Trend::kFalling;
constexpr auto kOdd = Symmetry::kOdd, kEven = Symmetry::kEven;
constexpr auto kFree = Trend::kNone;
constexpr auto kPlain = Symmetry::kNone;

// The slopes cancel around their zeros at -0.7518, -0.7525 and -1.2785.
const Reference kReferences[] = {
    {"exp", "e^x", plain<near::exp>, exact::exp, kRising, kPlain, -20, 20},
    {"log", "ln x", plain<near::log>, exact::log, kRising, kPlain, 1e-3, 1e3},
    {"tanh", "tanh x", plain<near::tanh>, exact::tanh, kRising, kOdd, -4, 4},
    {"sin", "sin x", plain<near::sin>, exact::sin, kFree, kOdd, -100, 100},
    {"cos", "cos x", plain<near::cos>, exact::cos, kFree, kEven, -100, 100},
    {"sigmoid", "1 / (1 + e^-x)", sigmoid, exact::sigmoid, kRising, kPlain, -8, 8},
    {"erf", "2/sqrt(pi) integral of e^-t^2 from 0 to x", plain<near::erf>, exact::erf, kRising,
     kOdd, -4, 4},
    {"gelu", "x Phi(x)", gelu, exact::gelu, kFree, kPlain, -4, 4, 4096, true},
    {"gelu_tanh", "x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))", gelu_tanh, exact::gelu_tanh,
     kFree, kPlain, -4, 4, 4096, true},
    {"silu", "x / (1 + e^-x)", silu, exact::silu, kFree, kPlain, -8, 8, 1024, true},
    {"rsqrt", "1 / sqrt(x)", rsqrt, exact::rsqrt, kFalling, kPlain, 1e-3, 1e3},
    {"gelu_slope", "Phi(x) + x phi(x)", gelu_slope, exact::gelu_slope, kFree, kPlain, -4, 4, 4096,
     false, -0.7568F, -0.7468F},
    {"gelu_tanh_slope", "the derivative of gelu_tanh", gelu_tanh_slope, exact::gelu_tanh_slope,
     kFree, kPlain, -4, 4, 4096, false, -0.7575F, -0.7475F},
    {"silu_slope", "the derivative of silu", silu_slope, exact::silu_slope, kFree, kPlain, -8, 8,
     4096, false, -1.2885F, -1.2685F},
    {"erf_slope", "2/sqrt(pi) e^-x^2", erf_slope, exact::erf_slope, kFree, kEven, -4, 4},
    {"exp2", "2^x", plain<near::exp2>, exact::exp2, kRising, kPlain, -20, 20},
    {"expm1", "e^x - 1", plain<near::expm1>, exact::expm1, kRising, kPlain, -4, 4},
    {"log2", "log2 x", plain<near::log2>, exact::log2, kRising, kPlain, 1e-3, 1e3},
    {"log10", "log10 x", plain<near::log10>, exact::log10, kRising, kPlain, 1e-3, 1e3},
    {"log1p", "ln(1 + x)", plain<near::log1p>, exact::log1p, kRising, kPlain, -0.9, 100},
    {"tan", "tan x", plain<near::tan>, exact::tan, kFree, kOdd, -100, 100},
    {"asin", "arcsin x", plain<near::asin>, exact::asin, kRising, kOdd, -1, 1},
    {"acos", "arccos x", plain<near::acos>, exact::acos, kFalling, kPlain, -1, 1},
    {"atan", "arctan x", plain<near::atan>, exact::atan, kRising, kOdd, -4, 4},
    {"sinh", "sinh x", plain<near::sinh>, exact::sinh, kRising, kOdd, -4, 4},
    {"cosh", "cosh x", plain<near::cosh>, exact::cosh, kFree, kEven, -4, 4},
    {"asinh", "arsinh x", plain<near::asinh>, exact::asinh, kRising, kOdd, -4, 4},
    {"acosh", "arcosh x", plain<near::acosh>, exact::acosh, kRising, kPlain, 1, 100},
    {"atanh", "artanh x", plain<near::atanh>, exact::atanh, kRising, kOdd, -0.9, 0.9},
    {"erfc", "1 - erf x", plain<near::erfc>, exact::erfc, kFalling, kPlain, -4, 4},
    {"cbrt", "the cube root of x", plain<near::cbrt>, exact::cbrt, kRising, kOdd, 1e-3, 1e3},
};

double near_at(const Reference& reference, float x) {
  double y = 0;
  reference.near(In(&x, 1), Out(&y, 1));
  return y;
}

}  // namespace

std::span<const Reference> references() { return kReferences; }

const Reference& reference_named(std::string_view name) {
  std::string known;
  for (const Reference& reference : kReferences) {
    if (reference.name == name) return reference;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", reference.name);
  }
  throw NameError(fmt::format("unknown function \"{}\"; there are {}", name, known));
}

float nearest_f32(const Reference& reference, float x) {
  // At zeros and infinities there is nothing to round; poles have the sign IEEE 754 asks for.
  if (!std::isfinite(x) || x == 0) return static_cast<float>(near_at(reference, x));
  Exact exact(static_cast<double>(x));
  reference.exact(exact.get(), exact.get());
  return mpfr_get_flt(exact.get(), MPFR_RNDN);
}

double exact_error(const Reference& reference, float x, float y) {
  const double near = near_at(reference, x);
  if (!std::isfinite(x) || std::isnan(near) || std::isnan(y)) return ulp_error_f32(y, near);
  Exact exact(static_cast<double>(x));
  reference.exact(exact.get(), exact.get());
  Exact difference(std::clamp(static_cast<double>(y), -0x1p128, 0x1p128));
  if (mpfr_cmpabs(exact.get(), Exact(0x1p128).get()) > 0) {
    mpfr_set_d(exact.get(), std::copysign(0x1p128, mpfr_get_d(exact.get(), MPFR_RNDN)), MPFR_RNDN);
  }
  mpfr_sub(difference.get(), difference.get(), exact.get(), MPFR_RNDN);
  const double size = mpfr_get_d(exact.get(), MPFR_RNDZ);
  mpfr_mul_d(difference.get(), difference.get(), per_ulp_f32(size), MPFR_RNDN);
  return std::abs(mpfr_get_d(difference.get(), MPFR_RNDN));
}

SelfCheck self_check(const Reference& reference, std::uint64_t count, const Rng& rng) {
  Truth truth;
  for (std::uint64_t i = 0; i < count; ++i) truth.x.push_back(std::bit_cast<float>(rng.word(i)));
  std::vector<double> near(count);
  reference.near(truth.x, near);
  settle(reference, truth);
  SelfCheck found{.inputs = count};
  for (std::uint64_t i = 0; i < count; ++i) {
    const float x = truth.x[i], settled = truth.nearest[i];
    const float decided = nearest_f32(reference, x);
    const bool same = decided == settled || (std::isnan(decided) && std::isnan(settled));
    if (!same) ++found.disagreements;
    const bool normal = std::isfinite(decided) && std::abs(decided) >= 0x1p-126F;
    if (!normal || reference.doubtful(x) || !std::isfinite(x)) continue;
    Exact exact(static_cast<double>(x));
    reference.exact(exact.get(), exact.get());
    found.max_ulp = std::max(found.max_ulp, ulp_error(near[i], exact.get()));
  }
  return found;
}

}  // namespace palinode::experiments::precision
