#include "tests/support/functions.h"

#include <bit>
#include <cmath>
#include <stdexcept>

#include "experiments/precision/exact.h"
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

double rsqrt(double x) { return 1 / std::sqrt(x); }

}  // namespace near

// gelu(x) = x/2 + 0.4 x^2 + ...: for an f32 next to zero the second term matters only at a tie.
bool is_half(double x, double y) { return std::abs(x) < 0x1p-60 && y == x / 2; }

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
    {"rsqrt", kernels::rsqrt, kernels::rsqrt, near::rsqrt, 4, exact::rsqrt, scalar::rsqrt},
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
