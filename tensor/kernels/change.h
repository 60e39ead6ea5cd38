// How far two versions of one array are apart.
#pragma once

#include <cstdint>
#include <span>

namespace palinode::kernels {

struct Change {
  std::uint64_t elements_changed = 0;  // elements whose bits differ
  double max_abs = 0;                  // the largest |after - before|
  double l2 = 0;                       // the square root of the sum of (after - before)^2
};

// Compares element by element, for any element type T; both spans have the same length, which may
// be 0. Differences and squares are taken in f64 and the squares summed by
// docs/arithmetic.md, section 3. A difference that is not a number makes max_abs and l2 NaN.
template <class T>
Change change(std::span<const T> before, std::span<const T> after);

}  // namespace palinode::kernels
