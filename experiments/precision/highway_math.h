// Highway's functions (hwy/contrib/math), a rival, on the SIMD target in use. Their documentation
// promises 1 to 4 ULP, for sin and cos up to |x| = 39000.
//
// sigmoid, silu, gelu_tanh and rsqrt are what one would write with them.
#pragma once

#include <cstddef>

namespace palinode::experiments::precision {

template <class T>
struct HighwayMath {
  using Function = void (*)(const T* x, T* out, std::size_t n);
  Function exp, expm1, log, log2, log10, log1p, sin, cos, tanh, sinh;
  Function asin, acos, atan, asinh, acosh, atanh;
  Function sigmoid, silu, gelu_tanh, rsqrt;
};

// For T float or double.
template <class T>
const HighwayMath<T>& highway_math();

}  // namespace palinode::experiments::precision
