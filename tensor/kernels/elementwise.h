// Arithmetic element by element (docs/arithmetic.md, section 5).
//
// T is float or double. All spans of a call have the same length, which may be 0. `out` may be
// exactly one of the inputs, or be disjoint from them. Every operator of a formula is one rounded
// operation; no fma.
#pragma once

#include <span>

namespace palinode::kernels {

template <class T>
void add(std::span<const T> a, std::span<const T> b, std::span<T> out);  // a + b
template <class T>
void sub(std::span<const T> a, std::span<const T> b, std::span<T> out);  // a - b
template <class T>
void mul(std::span<const T> a, std::span<const T> b, std::span<T> out);  // a * b
template <class T>
void div(std::span<const T> a, std::span<const T> b, std::span<T> out);  // a / b

// x * s.
template <class T>
void scale(std::span<const T> x, T s, std::span<T> out);

// x <= 0 ? +0 : x. A NaN stays.
template <class T>
void relu(std::span<const T> x, std::span<T> out);

// x <= 0 ? +0 : g.
template <class T>
void relu_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);

// g * ((1 - y) * (1 + y)), where y = tanh(x).
template <class T>
void tanh_grad(std::span<const T> g, std::span<const T> y, std::span<T> out);

// g * (y * (1 - y)), where y = sigmoid(x).
template <class T>
void sigmoid_grad(std::span<const T> g, std::span<const T> y, std::span<T> out);

// (-0.5 * g) * ((y * y) * y), where y = 1 / sqrt(x).
template <class T>
void rsqrt_grad(std::span<const T> g, std::span<const T> y, std::span<T> out);

// g times the derivative at x of the function in the name (math.h). f32: the derivative is
// correctly rounded before g multiplies it. f64: its error is below 1 ULP except where it nears its
// zero.
template <class T>
void gelu_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);
template <class T>
void gelu_tanh_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);
template <class T>
void silu_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);
template <class T>
void erf_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);

// g * cos(x) and -(g * sin(x)), with the functions of math.h in type T.
template <class T>
void sin_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);
template <class T>
void cos_grad(std::span<const T> x, std::span<const T> g, std::span<T> out);

}  // namespace palinode::kernels
