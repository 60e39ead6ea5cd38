// The 16-bit floats from their definition: which number a bit pattern is, and which pattern is
// nearest to a number.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "tensor/float16.h"

namespace palinode::oracle {

// The numbers of the patterns from +0 up to +infinity, which stands for the power of two that would
// follow the largest number: that is what rounding takes it for.
template <class H>
std::vector<double> half_numbers() {
  constexpr int kFraction = std::is_same_v<H, BFloat16> ? 7 : 10;
  constexpr int kBias = std::is_same_v<H, BFloat16> ? 127 : 15;
  std::vector<double> numbers;
  for (int bits = 0; bits <= H::kInfinity; ++bits) {
    const int exponent = bits >> kFraction;
    const int fraction = bits & ((1 << kFraction) - 1);
    const int significand = exponent == 0 ? fraction : fraction + (1 << kFraction);
    numbers.push_back(std::ldexp(significand, std::max(exponent, 1) - kBias - kFraction));
  }
  return numbers;
}

// The pattern whose number is nearest to x >= 0; of two that are equally near, the even one.
// numbers[below] <= x < numbers[below + 1], unless `below` is the last.
inline std::size_t nearer(const std::vector<double>& numbers, std::size_t below, double x) {
  if (below + 1 == numbers.size()) return below;
  const double middle = (numbers[below] + numbers[below + 1]) / 2;
  if (x == middle) return below + below % 2;
  return x < middle ? below : below + 1;
}

template <class H>
H narrow(double x) {
  static const std::vector<double> kNumbers = half_numbers<H>();
  if (std::isnan(x)) return H{H::kNan};
  const auto above = std::ranges::upper_bound(kNumbers, std::abs(x));
  const auto below = static_cast<std::size_t>(above - kNumbers.begin()) - 1;
  const std::size_t bits = nearer(kNumbers, below, std::abs(x));
  return H{static_cast<std::uint16_t>(bits + (std::signbit(x) ? 0x8000U : 0U))};
}

template <class H>
double widen(H x) {
  static const std::vector<double> kNumbers = half_numbers<H>();
  const std::size_t size = x.bits & 0x7fffU;
  double number = size < H::kInfinity ? kNumbers[size] : HUGE_VAL;
  if (size > H::kInfinity) number = NAN;
  return x.bits > 0x7fff ? -number : number;
}

}  // namespace palinode::oracle
