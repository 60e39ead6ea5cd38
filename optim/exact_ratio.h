// Exactly reversible multiplication of an integer by a ratio (Maclaurin, Duvenaud, Adams,
// arXiv:1502.03492, section 3, algorithm 3): what the rounding would lose goes into a buffer.
#pragma once

#include <cstdint>

namespace palinode::optim {

// n / d with 0 < n <= d <= 2^16.
struct Ratio {
  std::int64_t n = 9;
  std::int64_t d = 10;
};

// A value and what it lost so far. A multiplication by n / d leaves about log2(d / n) bits in the
// buffer: a new buffer is at most (buffer + 1) * d / n.
struct Lossless {
  std::int64_t value = 0;
  std::uint64_t lost = 0;
  friend bool operator==(const Lossless&, const Lossless&) = default;
};

// The quotient towards minus infinity; what is left of a is from 0 to b - 1.
constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// value * n / d to about n units. The buffer is below buffer_limit.
constexpr Lossless multiply(Lossless x, Ratio ratio) {
  const auto n = static_cast<std::uint64_t>(ratio.n), d = static_cast<std::uint64_t>(ratio.d);
  const std::int64_t quotient = floor_div(x.value, ratio.d);
  const std::uint64_t all = x.lost * d + static_cast<std::uint64_t>(x.value - quotient * ratio.d);
  return {quotient * ratio.n + static_cast<std::int64_t>(all % n), all / n};
}

// The x that `multiply` was given.
constexpr Lossless unmultiply(Lossless x, Ratio ratio) {
  const auto n = static_cast<std::uint64_t>(ratio.n), d = static_cast<std::uint64_t>(ratio.d);
  const std::int64_t quotient = floor_div(x.value, ratio.n);
  const std::uint64_t all = x.lost * n + static_cast<std::uint64_t>(x.value - quotient * ratio.n);
  return {quotient * ratio.d + static_cast<std::int64_t>(all % d), all / d};
}

// What a buffer stays below, for ever, if it gives its low 32 bits away after every
// steps_per_word multiplications.
constexpr std::uint64_t buffer_limit(Ratio ratio) {
  return (std::uint64_t{1} << 63U) / static_cast<std::uint64_t>(ratio.d);
}

// As many as fill those 32 bits; at most 2^20.
constexpr std::uint64_t steps_per_word(Ratio ratio) {
  const auto n = static_cast<std::uint64_t>(ratio.n), d = static_cast<std::uint64_t>(ratio.d);
  std::uint64_t bound = buffer_limit(ratio) >> 32U, steps = 0;
  while (steps < (1U << 20U)) {
    bound = (bound + 1) * d / n;
    if (bound >= buffer_limit(ratio)) break;
    ++steps;
  }
  return steps;
}

}  // namespace palinode::optim
