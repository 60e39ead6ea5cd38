// Results of f32 against the truth, many at a time: the inner loop of every sweep.
//
// An error is real-valued: |result - exact| in units in the last place of the exact value, which is
// 2^(e - 23) for 2^e <= |exact| < 2^(e + 1), and 2^-149 below 2^-126. Beyond the largest f32 both
// count as 2^128, as if the exponent went on by one. (Muller, "On the definition of ulp(x)", 2005,
// has the choices; this is Goldberg's.) A correctly rounded result errs by at most 0.5.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "experiments/precision/reference.h"

namespace palinode::experiments::precision {

// What one contender did on some inputs.
struct Tally {
  std::uint64_t inputs = 0;
  std::uint64_t misrounded = 0;  // not the f32 nearest to the exact value; special ones included
  std::uint64_t special = 0;     // NaN where there is a value, or a value where there is none
  std::uint64_t zero_sign = 0;   // a zero with the other sign; not counted as misrounded
  // Misrounded ones with an error up to 1, up to 2, up to 4, and above.
  std::array<std::uint64_t, 4> above{};
  double max_ulp = 0;
  float worst = 0;  // the input of that error

  Tally& operator+=(const Tally& other);  // the first of two equal errors stays the worst
};

// The reciprocal of the ULP at an exact value, and the error of one result; infinite where only one
// of them is NaN.
double per_ulp_f32(double exact);
double ulp_error_f32(float result, double exact);

// The truth about some inputs.
struct Truth {
  std::vector<float> x, nearest;       // inputs, and the f32 nearest to the exact values
  std::vector<double> exact, per_ulp;  // clamped to +-2^128; NaN where there is no value
  std::uint64_t decided = 0;           // by MPFR, next to a midpoint
  double max_distance = 0;             // of near's value from MPFR's there, in ULPs of f64
};

// Fills all but x, which it reads (reference.h says how). The vectors of an earlier call are used
// again.
void settle(const Reference& reference, Truth& truth);

// One result for each input. The worst input is looked for only if an error is above `known`.
Tally judge(const Truth& truth, std::span<const float> results, double known = 0);

// How many values are smaller than the one before them; how many of `negative` are not those of
// `positive`, with the other sign if `odd`. NaN is never smaller and equals NaN.
std::uint64_t count_falls(std::span<const float> y);
std::uint64_t count_asymmetric(std::span<const float> positive, std::span<const float> negative,
                               bool odd);

}  // namespace palinode::experiments::precision
