// The transcendental functions of docs/arithmetic.md, section 4, and fma, over arrays.
//
// All spans of one call have the same length, which may be zero; an output may be one of the
// inputs. Every value depends on its own input only, and every target computes the same bits.
#pragma once

#include <span>

namespace palinode::kernels {

// e^x. f32: correctly rounded. f64: error below 1 ULP.
void exp(std::span<const float> x, std::span<float> out);
void exp(std::span<const double> x, std::span<double> out);

// The natural logarithm: -inf at both zeros, NaN below. f32: correctly rounded. f64: error below
// 1 ULP.
void log(std::span<const float> x, std::span<float> out);
void log(std::span<const double> x, std::span<double> out);

// The hyperbolic tangent. f32: correctly rounded. f64: error below 2 ULP.
void tanh(std::span<const float> x, std::span<float> out);
void tanh(std::span<const double> x, std::span<double> out);

// 1 / (1 + e^-x). f32: correctly rounded. f64: error below 1 ULP.
void sigmoid(std::span<const float> x, std::span<float> out);
void sigmoid(std::span<const double> x, std::span<double> out);

// The error function 2/sqrt(pi) * integral of e^(-t^2) from 0 to x. f32: correctly rounded. f64:
// error below 1 ULP.
void erf(std::span<const float> x, std::span<float> out);
void erf(std::span<const double> x, std::span<double> out);

// x Phi(x), Phi the normal distribution function: GELU (Hendrycks and Gimpel, arXiv:1606.08415).
// Results have the sign of x; -inf gives -0, the limit. f32: correctly rounded. f64: error below
// 1 ULP.
void gelu(std::span<const float> x, std::span<float> out);
void gelu(std::span<const double> x, std::span<double> out);

// x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3): the same paper's approximation, of which
// 2/pi and 0.044715 are taken as real numbers. Results have the sign of x; -inf gives -0, the
// limit. f32: correctly rounded. f64: error below 1 ULP.
void gelu_tanh(std::span<const float> x, std::span<float> out);
void gelu_tanh(std::span<const double> x, std::span<double> out);

// x sigmoid(x): SiLU, or swish (Elfwing, Uchibe, Doya, arXiv:1702.03118). Results have the sign of
// x; -inf gives -0, the limit. f32: correctly rounded. f64: error below 1 ULP.
void silu(std::span<const float> x, std::span<float> out);
void silu(std::span<const double> x, std::span<double> out);

// Sine and cosine of any angle in radians; an infinity gives NaN. f32: correctly rounded. f64:
// error below 1 ULP.
void sin(std::span<const float> x, std::span<float> out);
void sin(std::span<const double> x, std::span<double> out);
void cos(std::span<const float> x, std::span<float> out);
void cos(std::span<const double> x, std::span<double> out);

// 1 / sqrt(x): +inf at +0, -inf at -0 (IEEE 754-2019, section 9.2), NaN below. f32: correctly
// rounded. f64: error below 1.5 ULP.
void rsqrt(std::span<const float> x, std::span<float> out);
void rsqrt(std::span<const double> x, std::span<double> out);

// The sine and cosine of 2 pi u for u in [0, 1), error below 1 ULP. A zero result is +0.
void sin_cos_turns(std::span<const double> u, std::span<double> sin, std::span<double> cos);

// a*b + c, rounded once.
void fma(std::span<const float> a, std::span<const float> b, std::span<const float> c,
         std::span<float> out);
void fma(std::span<const double> a, std::span<const double> b, std::span<const double> c,
         std::span<double> out);

}  // namespace palinode::kernels
