// The truth about functions of one value: what every f32 result is judged by.
//
// Two methods, the second only where the first cannot tell. The value y in f64 comes from near.h,
// which is not our code. If its error is below `margin` ULPs of f64, the f32 nearest to the exact
// value is that nearest to y wherever y - margin and y + margin (in ULPs of f64) round to one f32:
// no midpoint of two f32 numbers is between them. Every other input is decided by MPFR with 256
// bits (exact.h). A margin of 2^10 ULPs, a hundred times and more of what near.h errs by, sends
// about one input in 250,000 there. Real-valued errors are taken against y, which is within 2^-19
// ULP of f32; the worst ones are computed again from MPFR's value.
//
// self_check holds both against each other on random inputs, and every sweep on all inputs next to
// a midpoint: near.h's distance from MPFR's value must stay below the margin.
#pragma once

#include <mpfr.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/rng.h"

namespace palinode::experiments::precision {

enum class Trend : std::uint8_t { kNone, kRising, kFalling };  // of f where it is defined
enum class Symmetry : std::uint8_t { kNone, kOdd, kEven };

struct Reference {
  std::string_view name, formula;
  void (*near)(std::span<const float> x, std::span<double> y);
  void (*exact)(mpfr_ptr y, mpfr_srcptr x);
  Trend trend = Trend::kNone;
  Symmetry symmetry = Symmetry::kNone;
  double low = 0, high = 0;     // the range of inputs that speed is measured on
  std::uint64_t margin = 1024;  // in ULPs of f64
  // x/2 + c x^2 next to 0, c > 0: there half of all results are ties but for the second term.
  bool half_at_zero = false;
  // Inputs within these bounds are always MPFR's: the two terms of a sum cancel.
  float doubt_low = 0, doubt_high = 0;

  bool has_doubts() const { return doubt_low < doubt_high; }
  bool doubtful(float x) const { return has_doubts() && x >= doubt_low && x <= doubt_high; }
};

std::span<const Reference> references();

// Throws NameError listing the names.
const Reference& reference_named(std::string_view name);

// The correctly rounded value at x, by MPFR; limits at the infinities, NaN where f has no value.
float nearest_f32(const Reference& reference, float x);

// The distance from y to the exact value at x, in ULPs of f32 as judge.h counts them, by MPFR.
double exact_error(const Reference& reference, float x, float y);

struct SelfCheck {
  std::uint64_t inputs = 0;
  double max_ulp = 0;  // of near.h against MPFR, in ULPs of f64, where the result is a normal f32
  std::uint64_t disagreements = 0;  // f32 results decided otherwise by MPFR; 0 if all is well
};

// Over `count` inputs with random bits.
SelfCheck self_check(const Reference& reference, std::uint64_t count, const Rng& rng);

}  // namespace palinode::experiments::precision
