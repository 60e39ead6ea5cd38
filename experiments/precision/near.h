// Elementary functions in f64, near the truth: the fast path of the reference (reference.h).
//
// They are glibc's, four at a time by its vector library where that is there (libmvec of glibc 2.35
// and later on x86-64 with AVX2, within 4 ULP by its documentation), else one at a time by libm.
// None of this is ours, so an error of our kernels cannot hide in it.
#pragma once

#include <span>

namespace palinode::experiments::precision::near {

// In place: y[i] = f(y[i]).
void exp(std::span<double> y);
void exp2(std::span<double> y);
void expm1(std::span<double> y);
void log(std::span<double> y);
void log2(std::span<double> y);
void log10(std::span<double> y);
void log1p(std::span<double> y);
void sin(std::span<double> y);
void cos(std::span<double> y);
void tan(std::span<double> y);
void asin(std::span<double> y);
void acos(std::span<double> y);
void atan(std::span<double> y);
void sinh(std::span<double> y);
void cosh(std::span<double> y);
void tanh(std::span<double> y);
void asinh(std::span<double> y);
void acosh(std::span<double> y);
void atanh(std::span<double> y);
void erf(std::span<double> y);
void erfc(std::span<double> y);
void cbrt(std::span<double> y);

// Whether the vector library is in use: "glibc libmvec", else "glibc libm".
const char* library();

}  // namespace palinode::experiments::precision::near
