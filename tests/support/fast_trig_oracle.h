// sin_fast and cos_fast once more, one value at a time, written from the second appendix of
// docs/arithmetic.md alone.
#pragma once

#include <mpfr.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "tests/support/fast_oracle.h"

namespace palinode::oracle {

// What is left of an angle after j quarter turns.
struct QuarterTurns {
  std::uint64_t j;
  Pair rest;
};

inline QuarterTurns small_angle(float a) {
  const float s = std::fma(a, 0x1.45f306p-1f, kShift);
  const float k = s - kShift;
  const float h = std::fma(k, -0x1.921fb6p+0f, a);
  const float m = std::fma(k, 0x1.777a5cp-25f, h);
  const float d = h - m;
  const float l = std::fma(k, 0x1.777a5cp-25f, d) + ((h - d) - m);
  return {bits_of(s), sum_of(m, std::fma(k, 0x1.ee59dap-50f, l))};
}

// The words of the 96 bits of 2/pi from the weight 2^(1-e) on, by division in MPFR.
inline std::array<std::uint64_t, 3> two_over_pi_words(int e) {
  mpfr_t x;
  mpfr_init2(x, 400);
  mpfr_const_pi(x, MPFR_RNDN);
  mpfr_ui_div(x, 2, x, MPFR_RNDN);
  std::array<std::uint64_t, 3> words;
  for (int i = 0; i < 3; ++i) {
    mpfr_t shifted;
    mpfr_init2(shifted, 400);
    mpfr_mul_2si(shifted, x, e - 2 + 32 * i, MPFR_RNDN);
    mpfr_frac(shifted, shifted, MPFR_RNDZ);
    mpfr_mul_2ui(shifted, shifted, 32, MPFR_RNDN);
    words[static_cast<std::size_t>(i)] = mpfr_get_ui(shifted, MPFR_RNDZ);
    mpfr_clear(shifted);
  }
  mpfr_clear(x);
  return words;
}

inline QuarterTurns large_angle(float a) {
  int exponent;
  const float fraction = std::frexp(a, &exponent);
  const auto m = static_cast<std::uint64_t>(std::ldexp(fraction, 24));
  static const auto words = [] {
    std::array<std::array<std::uint64_t, 3>, 111> all;
    for (int e = -6; e <= 104; ++e) all[static_cast<std::size_t>(e + 6)] = two_over_pi_words(e);
    return all;
  }();
  const auto [high, middle, low] = words[static_cast<std::size_t>(exponent - 24 + 6)];
  const std::uint64_t p = ((m * high) << 32) + m * middle + ((m * low) >> 32);
  const std::uint64_t j = (p + (std::uint64_t{1} << 61)) >> 62;
  const auto i = static_cast<std::int64_t>(p - (j << 62));
  const double y = static_cast<double>(i) * 0x1.921fb54442d18p-62;
  const auto r = static_cast<float>(y);
  return {j, {r, static_cast<float>(y - static_cast<double>(r))}};
}

// The sine of a >= 0 plus `quarters` quarter turns.
inline float sin_of_positive(float a, std::uint64_t quarters) {
  if (!std::isfinite(a)) return kQuietNan;
  const auto [j, rest] = a < 0x1p17f ? small_angle(a) : large_angle(a);
  const float r = rest.h;
  const float z = std::fma(r, r, (rest.l + rest.l) * r);
  const float sn =
      r + std::fma(z * r, horner(z, std::array{-0x1.555546p-3f, 0x1.11077cp-7f, -0x1.9955aep-13f}),
                   rest.l);
  const float cs = std::fma(
      z, horner(z, std::array{-0x1p-1f, 0x1.55554ap-5f, -0x1.6c0c1ap-10f, 0x1.99e0eep-16f}), 1.0f);
  const std::array results = {sn, cs, -sn, -cs};
  return results[(j + quarters) % 4];
}

inline float sin_fast(float x) {
  const float y = sin_of_positive(std::abs(x), 0);
  return std::signbit(x) ? -y : y;
}

inline float cos_fast(float x) { return sin_of_positive(std::abs(x), 1); }

}  // namespace palinode::oracle
