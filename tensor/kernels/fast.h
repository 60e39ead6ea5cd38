// The fast variants of the transcendental functions over arrays of f32 (docs/arithmetic.md, section
// 10): less exact than the correctly rounded ones, and as independent of target, compiler and
// number of threads.
//
// Each function names its largest error over all 2^32 inputs, in units in the last place of the
// exact value (2^-149 among subnormal numbers). x and out have the same length, which may be zero;
// out may be x. NaN gives NaN; a zero keeps its sign where the function is odd.
#pragma once

#include <span>

namespace palinode::kernels {

// e^x.
void exp_fast(std::span<const float> x, std::span<float> out);

// The natural logarithm: -inf at both zeros, NaN below.
void log_fast(std::span<const float> x, std::span<float> out);

// The hyperbolic tangent.
void tanh_fast(std::span<const float> x, std::span<float> out);

// 1 / (1 + e^-x).
void sigmoid_fast(std::span<const float> x, std::span<float> out);

// The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.
void erf_fast(std::span<const float> x, std::span<float> out);

// x Phi(x) with the normal distribution Phi(x) = (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel,
// 2016). -0 at -inf.
void gelu_fast(std::span<const float> x, std::span<float> out);

// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (the same). -0 at -inf.
void gelu_tanh_fast(std::span<const float> x, std::span<float> out);

// NaN at the infinities.
void sin_fast(std::span<const float> x, std::span<float> out);
void cos_fast(std::span<const float> x, std::span<float> out);

// 1 / sqrt(x): an infinity of its sign at a zero, NaN below.
void rsqrt_fast(std::span<const float> x, std::span<float> out);

}  // namespace palinode::kernels
