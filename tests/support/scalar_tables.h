// The tables of docs/arithmetic.md, appendix, and the exact reduction of an angle, by MPFR.
#pragma once

#include <array>

#include "tests/support/scalar_pairs.h"

namespace palinode::scalar {

using Row = std::array<double, 16>;

struct SineRow {
  Pair sin;
  Pair cos;
};

// A row for every centre that an f64 reaches.
const Row* erf_table();
const Row* mills_table();
const SineRow* sine_table();  // 32 rows

struct Reduced {
  int quadrant;
  Pair r;
};

// For a > 2^20.
Reduced reduce_exactly(double a);

}  // namespace palinode::scalar
