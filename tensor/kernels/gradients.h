// silu, and the gradients of functions that need another function, fast in f32 (docs/arithmetic.md,
// sections 5 and 10).
//
// All spans of a call have the same length, which may be 0; `out` may be exactly one of the inputs,
// or be disjoint from them. Every target computes the same bits.
#pragma once

#include <span>

namespace palinode::kernels {

// x * sigmoid(x): the sigmoid of math.h, or its fast form in f32, and one multiplication (Elfwing,
// Uchibe, Doya, arXiv:1702.03118). NaN at -inf.
void silu(std::span<const float> x, std::span<float> out);
void silu(std::span<const double> x, std::span<double> out);
void silu_fast(std::span<const float> x, std::span<float> out);

// g * (s * (1 + x * (1 - s))), where s is the sigmoid of x in the same form.
void silu_grad(std::span<const float> x, std::span<const float> g, std::span<float> out);
void silu_grad(std::span<const double> x, std::span<const double> g, std::span<double> out);
void silu_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);

// g times the derivative of gelu and of gelu_tanh at x. The derivative is within 1.5e-7 of the
// exact one, whatever x.
void gelu_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);
void gelu_tanh_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);

// g times the fast cosine, minus the fast sine, and (2/sqrt(pi)) * exp_fast(0 - x * x).
void sin_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);
void cos_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);
void erf_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);

}  // namespace palinode::kernels
