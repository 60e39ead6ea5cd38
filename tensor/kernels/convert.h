// Conversions between f32 or f64 and the 16-bit floats (docs/arithmetic.md, section 9b).
//
// Both spans of a call have the same length, which may be 0, and are disjoint. A NaN gives a NaN;
// narrowed, it is always T::kNan.
#pragma once

#include <span>

#include "tensor/float16.h"

namespace palinode::kernels {

// The same numbers in a wider type: exact. From is BFloat16 or Float16, To float or double.
template <class From, class To>
void widen(std::span<const From> x, std::span<To> out);

// Rounded once: to nearest, ties to even, beyond the largest number to infinity; subnormal numbers
// are kept. From is float or double, To BFloat16 or Float16.
template <class From, class To>
void narrow(std::span<const From> x, std::span<To> out);

}  // namespace palinode::kernels
