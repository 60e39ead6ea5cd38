// How values spread over draws: quantiles, and the interval of a rate.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::rbl {

// The value at a share of the way through ascending values, linear between neighbours (definition 7
// of Hyndman and Fan, The American Statistician 50, 1996). At least one value; infinite ones may be
// among them.
double quantile(std::span<const double> ascending, double share);

// The stability envelope of a figure over its draws.
struct Envelope {
  std::size_t draws = 0;
  double mean = 0;  // canonical sum (docs/arithmetic.md, section 3)
  double lowest = 0, q05 = 0, q25 = 0, median = 0, q75 = 0, q95 = 0, highest = 0;
};

// Throws ShapeError for no values, NonFiniteError for one that is NaN.
Envelope envelope(std::span<const double> values);

// A share of trials with the 95 % interval of Wilson (JASA 22, 1927), which stays inside [0, 1] and
// has a width for 0 and for all hits as well.
struct Rate {
  std::size_t hits = 0, trials = 0;
  double rate = 0, lo = 0, hi = 0;
};

// Throws ShapeError for no trials or more hits than trials.
Rate wilson(std::size_t hits, std::size_t trials);

}  // namespace palinode::rbl
