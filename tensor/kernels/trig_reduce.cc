#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "tensor/kernels/trig_table.h"

namespace palinode::kernels {
namespace {

// Not standard C++, but in both compilers.
__extension__ typedef unsigned __int128 Wide;

struct Bits192 {
  std::uint64_t high, middle, low;
};

std::uint64_t upper(Wide x) { return static_cast<std::uint64_t>(x >> 64); }
std::uint64_t lower(Wide x) { return static_cast<std::uint64_t>(x); }

// The 192 bits of 2/pi that begin at the given place of the table.
Bits192 window(std::size_t place) {
  const std::size_t word = place / 64;
  const std::size_t shift = place % 64;
  const auto at = [&](std::size_t i) {
    const std::uint64_t bits = kTwoOverPiBits[word + i];
    return shift == 0 ? bits : bits << shift | kTwoOverPiBits[word + i + 1] >> (64 - shift);
  };
  return {at(0), at(1), at(2)};
}

// m * w modulo 2^192.
Bits192 multiply(std::uint64_t m, const Bits192& w) {
  const Wide low = Wide{m} * w.low;
  const Wide middle = Wide{m} * w.middle + upper(low);
  return {m * w.high + upper(middle), lower(middle), lower(low)};
}

// x * 2^count modulo 2^192, for 0 < count < 64.
Bits192 shift_left(const Bits192& x, int count) {
  return {x.high << count | x.middle >> (64 - count), x.middle << count | x.low >> (64 - count),
          x.low << count};
}

Bits192 negate(const Bits192& x) {
  const std::uint64_t low = ~x.low + 1;
  const std::uint64_t middle = ~x.middle + (low == 0 ? 1 : 0);
  return {~x.high + (low == 0 && middle == 0 ? 1 : 0), middle, low};
}

double power_of_two(int k) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52);
}

double top_half(double x) {
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & 0xfffffffff8000000);
}

// (f, g) * pi/2 as a pair.
ReducedAngle quarter_turns(std::uint64_t quadrant, double f, double g) {
  constexpr double kHigh = 0x1.921fb5p+0;
  constexpr double kLow = 0x1.110b4611a6263p-26;
  const double f_high = top_half(f);
  const double high = f_high * kHigh;
  const double low = f_high * kLow + ((f - f_high) + g) * 0x1.921fb54442d18p+0;
  const double hi = high + low;
  return {quadrant, hi, low - (hi - high)};
}

}  // namespace

ReducedAngle reduce_large_angle(double x) {
  if (!(x >= 1 && x <= std::numeric_limits<double>::max())) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return {0, nan, nan};
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t m = (bits & 0x000fffffffffffff) | 0x0010000000000000;
  // x = m * 2^(e - 1075): bits of 2/pi of weight 2^2 and more after that scaling give whole turns.
  const std::uint64_t e = bits >> 52;
  Bits192 turns = multiply(m, window(static_cast<std::size_t>(e - 1013)));
  std::uint64_t quadrant = turns.high >> 62;
  turns = shift_left(turns, 2);
  const bool negative = turns.high >> 63 != 0;
  if (negative) {
    turns = negate(turns);
    quadrant = (quadrant + 1) & 3;
  }
  int zeros = 0;
  if (turns.high == 0) {
    turns = {turns.middle, turns.low, 0};
    zeros = 64;
  }
  const int more = std::countl_zero(turns.high);
  if (more > 0) turns = shift_left(turns, more);
  zeros += more;
  const double f = static_cast<double>(turns.high >> 11) * power_of_two(-53 - zeros);
  const double g = static_cast<double>((turns.high & 0x7ff) << 42 | turns.middle >> 22) *
                   power_of_two(-106 - zeros);
  return negative ? quarter_turns(quadrant, -f, -g) : quarter_turns(quadrant, f, g);
}

}  // namespace palinode::kernels
