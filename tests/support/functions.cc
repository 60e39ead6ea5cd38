#include "tests/support/functions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

#include "tensor/kernels/math.h"
#include "tests/support/exact.h"

namespace palinode {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double gelu(double x) {
  if (x < -20) return -0.0;
  return 0.5 * x * std::erfc(-x * M_SQRT1_2);
}

double gelu_tanh(double x) {
  if (x < -20) return -0.0;
  return x * sigmoid(std::sqrt(8 / M_PI) * x * (1 + 0.044715 * x * x));
}

// The exact value of an f32 near zero would be a tie but for the second term, x^2 f'(0).
bool is_half(double x, double y) { return std::abs(x) < 0x1p-60 && y == x / 2; }

const Function kFunctions[] = {
    {"exp", kernels::exp, kernels::exp, std::exp, 4, exact::exp},
    {"log", kernels::log, kernels::log, std::log, 4, exact::log},
    {"tanh", kernels::tanh, kernels::tanh, std::tanh, 4, exact::tanh},
    {"sigmoid", kernels::sigmoid, kernels::sigmoid, sigmoid, 8, exact::sigmoid},
    {"erf", kernels::erf, kernels::erf, std::erf, 4, exact::erf},
    {"gelu", kernels::gelu, kernels::gelu, gelu, 2000, exact::gelu},
    {"gelu_tanh", kernels::gelu_tanh, kernels::gelu_tanh, gelu_tanh, 2000, exact::gelu_tanh},
    {"sin", kernels::sin, kernels::sin, std::sin, 4, exact::sin},
    {"cos", kernels::cos, kernels::cos, std::cos, 4, exact::cos},
    {"rsqrt", kernels::rsqrt, kernels::rsqrt, [](double x) { return 1 / std::sqrt(x); }, 4,
     exact::rsqrt},
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
