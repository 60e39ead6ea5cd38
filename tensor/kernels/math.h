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

// The sine and cosine of 2 pi u for u in [0, 1), error below 1 ULP. A zero result is +0.
void sin_cos_turns(std::span<const double> u, std::span<double> sin, std::span<double> cos);

// a*b + c, rounded once.
void fma(std::span<const float> a, std::span<const float> b, std::span<const float> c,
         std::span<float> out);
void fma(std::span<const double> a, std::span<const double> b, std::span<const double> c,
         std::span<double> out);

}  // namespace palinode::kernels
