#include "tests/support/functions.h"

#include <bit>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "experiments/precision/exact.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"
#include "tests/support/scalar_math.h"

namespace palinode {
namespace {

namespace near {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double gelu(double x) {
  if (x < -20) return -0.0;
  return 0.5 * x * std::erfc(-x * M_SQRT1_2);
}

double gelu_tanh(double x) {
  if (x < -20) return -0.0;
  return x * sigmoid(std::sqrt(8 / M_PI) * x * (1 + 0.044715 * x * x));
}

double silu(double x) { return x < -800 ? -0.0 : x / (1 + std::exp(-x)); }

double rsqrt(double x) { return 1 / std::sqrt(x); }

double erf_slope(double x) { return M_2_SQRTPI * std::exp(-x * x); }

// In long double, so that enough digits are left around the zeros.
double gelu_slope(double x) {
  if (std::abs(x) > 30) return x < 0 ? -0.0 : 1;
  const long double v = x;
  return static_cast<double>(std::erfc(v * -sqrtl(0.5L)) / 2 +
                             v * std::exp(v * v / -2) / sqrtl(2 * acosl(-1)));
}

// The derivative of v s(w) with s the sigmoid, rise = v w'.
double gated_slope(long double w, long double rise) {
  if (w < -10000) return -0.0;
  const long double e = std::exp(-w);
  return static_cast<double>((1 + rise * (e / (1 + e))) / (1 + e));
}

double gelu_tanh_slope(double x) {
  if (x > 20) return 1;
  const long double c = sqrtl(8 / acosl(-1));
  const long double v = x, square = v * v;
  return gated_slope(c * v * (1 + 0.044715L * square), c * v * (1 + 3 * 0.044715L * square));
}

double silu_slope(double x) { return x > 100 ? 1 : gated_slope(x, x); }

}  // namespace near

// A long double next to a zero of an f32 has lost 25 of its 64 digits.
constexpr std::uint64_t kNearZeros = std::uint64_t{1} << 17;

// gelu(x) = x/2 + 0.4 x^2 + ...: for an f32 next to zero the second term matters only at a tie.
bool is_half(double x, double y) { return std::abs(x) < 0x1p-60 && y == x / 2; }

// A gradient kernel with g = 1 is the derivative.
template <class T, void (*kGradient)(std::span<const T> x, std::span<const T> g, std::span<T> out)>
void slope(std::span<const T> x, std::span<T> out) {
  kGradient(x, std::vector<T>(x.size(), 1), out);
}

const Function kFunctions[] = {
    {"exp", kernels::exp, kernels::exp, std::exp, 4, exact::exp, scalar::exp},
    {"log", kernels::log, kernels::log, std::log, 4, exact::log, scalar::log},
    {"tanh", kernels::tanh, kernels::tanh, std::tanh, 4, exact::tanh, scalar::tanh},
    {"sigmoid", kernels::sigmoid, kernels::sigmoid, near::sigmoid, 8, exact::sigmoid,
     scalar::sigmoid},
    {"erf", kernels::erf, kernels::erf, std::erf, 4, exact::erf, scalar::erf},
    {"gelu", kernels::gelu, kernels::gelu, near::gelu, 2000, exact::gelu, scalar::gelu},
    {"gelu_tanh", kernels::gelu_tanh, kernels::gelu_tanh, near::gelu_tanh, 2000, exact::gelu_tanh,
     scalar::gelu_tanh},
    {"sin", kernels::sin, kernels::sin, std::sin, 4, exact::sin, scalar::sin},
    {"cos", kernels::cos, kernels::cos, std::cos, 4, exact::cos, scalar::cos},
    {"silu", kernels::silu, kernels::silu, near::silu, 8, exact::silu, scalar::silu},
    {"rsqrt", kernels::rsqrt, kernels::rsqrt, near::rsqrt, 4, exact::rsqrt, scalar::rsqrt},
    {"erf_slope", slope<float, kernels::erf_grad>, slope<double, kernels::erf_grad>,
     near::erf_slope, 2000, exact::erf_slope, scalar::erf_slope},
    {"gelu_slope", slope<float, kernels::gelu_grad>, slope<double, kernels::gelu_grad>,
     near::gelu_slope, kNearZeros, exact::gelu_slope, scalar::gelu_slope},
    {"gelu_tanh_slope", slope<float, kernels::gelu_tanh_grad>,
     slope<double, kernels::gelu_tanh_grad>, near::gelu_tanh_slope, kNearZeros,
     exact::gelu_tanh_slope, scalar::gelu_tanh_slope},
    {"silu_slope", slope<float, kernels::silu_grad>, slope<double, kernels::silu_grad>,
     near::silu_slope, kNearZeros, exact::silu_slope, scalar::silu_slope},
};

}  // namespace

std::span<const Function> functions() { return kFunctions; }

const Function& function_named(std::string_view name) {
  for (const Function& function : kFunctions) {
    if (function.name == name) return function;
  }
  throw std::invalid_argument("no such function");
}

void PrintTo(const Function& function, std::ostream* out) { *out << function.name; }

float nearest_float(const Function& function, float x) {
  const double y = function.near(static_cast<double>(x));
  if (y != y || std::isinf(y) || y == 0) return static_cast<float>(y);
  if (is_half(x, y)) return static_cast<float>(std::nextafter(y, HUGE_VAL));
  const auto bits = std::bit_cast<std::uint64_t>(y);
  const auto below = static_cast<float>(std::bit_cast<double>(bits - function.ulps));
  const auto above = static_cast<float>(std::bit_cast<double>(bits + function.ulps));
  if (below == above) return above;
  Exact exact(static_cast<double>(x));
  function.exact(exact.get(), exact.get());
  return mpfr_get_flt(exact.get(), MPFR_RNDN);
}

}  // namespace palinode
