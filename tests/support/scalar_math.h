// The f64 algorithms of docs/arithmetic.md, appendix, a second time: one value at a time, in plain
// C++, written from that page alone. Tables and the digits of 2/pi are computed by MPFR.
#pragma once

namespace palinode::scalar {

double exp(double x);
double log(double x);
double tanh(double x);
double sigmoid(double x);
double erf(double x);
double gelu(double x);
double gelu_tanh(double x);
double silu(double x);
double sin(double x);
double cos(double x);
double rsqrt(double x);
double sin_of_turns(double u);
double cos_of_turns(double u);

double erf_slope(double x);
double gelu_slope(double x);
double gelu_tanh_slope(double x);
double silu_slope(double x);

}  // namespace palinode::scalar
