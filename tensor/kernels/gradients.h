// silu and the gradients of the functions of fast.h that need another function, fast in f32
// (docs/arithmetic.md, sections 5 and 10).
//
// All spans of a call have the same length, which may be 0; `out` may be exactly one of the inputs,
// or be disjoint from them. Every target computes the same bits.
#pragma once

#include <span>

namespace palinode::kernels {

// x * sigmoid_fast(x), and g * (s * (1 + x * (1 - s))) with the same sigmoid s. NaN at -inf.
void silu_fast(std::span<const float> x, std::span<float> out);
void silu_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);

// g times the derivative of gelu and of gelu_tanh at x. The largest distances of the derivatives
// from the exact ones, 1.59e-7 and 2.18e-7, were measured against f64 at every x with 2^-4 <= |x| <
// 16 and every 4099th bit pattern elsewhere.
void gelu_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);
void gelu_tanh_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);

// g times the fast cosine, minus the fast sine, and (2/sqrt(pi)) * exp_fast(0 - x * x).
void sin_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);
void cos_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);
void erf_grad_fast(std::span<const float> x, std::span<const float> g, std::span<float> out);

}  // namespace palinode::kernels
