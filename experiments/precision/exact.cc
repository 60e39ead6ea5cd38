#include "experiments/precision/exact.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace palinode {
namespace exact {
namespace {

// y = x sqrt(2/pi) (2 + 2 * 0.044715 * power x^2), of which power 1 gives 2u, and power 3 x (2u)'.
void gelu_exponent(mpfr_ptr y, mpfr_srcptr x, unsigned long power) {
  Exact scale;
  mpfr_const_pi(scale.get(), MPFR_RNDN);
  mpfr_ui_div(scale.get(), 8, scale.get(), MPFR_RNDN);
  mpfr_sqrt(scale.get(), scale.get(), MPFR_RNDN);
  mpfr_mul(scale.get(), scale.get(), x, MPFR_RNDN);
  mpfr_sqr(y, x, MPFR_RNDN);
  mpfr_mul_ui(y, y, 44715 * power, MPFR_RNDN);
  mpfr_div_ui(y, y, 1000000, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_mul(y, y, scale.get(), MPFR_RNDN);
}

// y = Phi(x), the normal distribution function.
void normal_distribution(mpfr_ptr y, mpfr_srcptr x) {
  Exact root(2);
  mpfr_rec_sqrt(root.get(), root.get(), MPFR_RNDN);
  mpfr_mul(y, x, root.get(), MPFR_RNDN);
  mpfr_neg(y, y, MPFR_RNDN);
  mpfr_erfc(y, y, MPFR_RNDN);
  mpfr_div_2ui(y, y, 1, MPFR_RNDN);
}

}  // namespace

void exp(mpfr_ptr y, mpfr_srcptr x) { mpfr_exp(y, x, MPFR_RNDN); }
void log(mpfr_ptr y, mpfr_srcptr x) { mpfr_log(y, x, MPFR_RNDN); }
void tanh(mpfr_ptr y, mpfr_srcptr x) { mpfr_tanh(y, x, MPFR_RNDN); }
void erf(mpfr_ptr y, mpfr_srcptr x) { mpfr_erf(y, x, MPFR_RNDN); }
void sin(mpfr_ptr y, mpfr_srcptr x) { mpfr_sin(y, x, MPFR_RNDN); }
void cos(mpfr_ptr y, mpfr_srcptr x) { mpfr_cos(y, x, MPFR_RNDN); }
void rsqrt(mpfr_ptr y, mpfr_srcptr x) { mpfr_rec_sqrt(y, x, MPFR_RNDN); }
void erfc(mpfr_ptr y, mpfr_srcptr x) { mpfr_erfc(y, x, MPFR_RNDN); }
void tan(mpfr_ptr y, mpfr_srcptr x) { mpfr_tan(y, x, MPFR_RNDN); }
void asin(mpfr_ptr y, mpfr_srcptr x) { mpfr_asin(y, x, MPFR_RNDN); }
void acos(mpfr_ptr y, mpfr_srcptr x) { mpfr_acos(y, x, MPFR_RNDN); }
void atan(mpfr_ptr y, mpfr_srcptr x) { mpfr_atan(y, x, MPFR_RNDN); }
void sinh(mpfr_ptr y, mpfr_srcptr x) { mpfr_sinh(y, x, MPFR_RNDN); }
void cosh(mpfr_ptr y, mpfr_srcptr x) { mpfr_cosh(y, x, MPFR_RNDN); }
void asinh(mpfr_ptr y, mpfr_srcptr x) { mpfr_asinh(y, x, MPFR_RNDN); }
void acosh(mpfr_ptr y, mpfr_srcptr x) { mpfr_acosh(y, x, MPFR_RNDN); }
void atanh(mpfr_ptr y, mpfr_srcptr x) { mpfr_atanh(y, x, MPFR_RNDN); }
void exp2(mpfr_ptr y, mpfr_srcptr x) { mpfr_exp2(y, x, MPFR_RNDN); }
void expm1(mpfr_ptr y, mpfr_srcptr x) { mpfr_expm1(y, x, MPFR_RNDN); }
void log2(mpfr_ptr y, mpfr_srcptr x) { mpfr_log2(y, x, MPFR_RNDN); }
void log10(mpfr_ptr y, mpfr_srcptr x) { mpfr_log10(y, x, MPFR_RNDN); }
void log1p(mpfr_ptr y, mpfr_srcptr x) { mpfr_log1p(y, x, MPFR_RNDN); }
void cbrt(mpfr_ptr y, mpfr_srcptr x) { mpfr_cbrt(y, x, MPFR_RNDN); }

void sigmoid(mpfr_ptr y, mpfr_srcptr x) {
  mpfr_neg(y, x, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

void silu(mpfr_ptr y, mpfr_srcptr x) {
  Exact logistic;
  sigmoid(logistic.get(), x);
  mpfr_mul(y, x, logistic.get(), MPFR_RNDN);
}

void gelu(mpfr_ptr y, mpfr_srcptr x) {
  Exact phi;
  normal_distribution(phi.get(), x);
  mpfr_mul(y, x, phi.get(), MPFR_RNDN);
}

void gelu_tanh(mpfr_ptr y, mpfr_srcptr x) {
  Exact logistic;
  gelu_exponent(logistic.get(), x, 1);
  sigmoid(logistic.get(), logistic.get());
  mpfr_mul(y, x, logistic.get(), MPFR_RNDN);
}

void gelu_slope(mpfr_ptr y, mpfr_srcptr x) {
  Exact phi;
  Exact density;
  Exact scale;
  normal_distribution(phi.get(), x);
  mpfr_sqr(density.get(), x, MPFR_RNDN);
  mpfr_div_si(density.get(), density.get(), -2, MPFR_RNDN);
  mpfr_exp(density.get(), density.get(), MPFR_RNDN);
  mpfr_const_pi(scale.get(), MPFR_RNDN);
  mpfr_mul_ui(scale.get(), scale.get(), 2, MPFR_RNDN);
  mpfr_rec_sqrt(scale.get(), scale.get(), MPFR_RNDN);
  mpfr_mul(density.get(), density.get(), scale.get(), MPFR_RNDN);
  mpfr_mul(density.get(), density.get(), x, MPFR_RNDN);
  mpfr_add(y, phi.get(), density.get(), MPFR_RNDN);
}

// s(w) (1 + rise s(-w)), s the sigmoid: the derivative of x s(w), rise = x w'.
void gated_slope(mpfr_ptr y, mpfr_srcptr w, mpfr_srcptr rise) {
  Exact gate;
  Exact opposite;
  mpfr_neg(opposite.get(), w, MPFR_RNDN);
  sigmoid(gate.get(), w);
  sigmoid(opposite.get(), opposite.get());
  mpfr_mul(opposite.get(), opposite.get(), rise, MPFR_RNDN);
  mpfr_add_ui(opposite.get(), opposite.get(), 1, MPFR_RNDN);
  mpfr_mul(y, gate.get(), opposite.get(), MPFR_RNDN);
}

void gelu_tanh_slope(mpfr_ptr y, mpfr_srcptr x) {
  Exact w;
  Exact rise;
  gelu_exponent(w.get(), x, 1);
  gelu_exponent(rise.get(), x, 3);
  gated_slope(y, w.get(), rise.get());
}

void silu_slope(mpfr_ptr y, mpfr_srcptr x) { gated_slope(y, x, x); }

void erf_slope(mpfr_ptr y, mpfr_srcptr x) {
  Exact scale;
  mpfr_const_pi(scale.get(), MPFR_RNDN);
  mpfr_rec_sqrt(scale.get(), scale.get(), MPFR_RNDN);
  mpfr_mul_ui(scale.get(), scale.get(), 2, MPFR_RNDN);
  mpfr_sqr(y, x, MPFR_RNDN);
  mpfr_neg(y, y, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_mul(y, y, scale.get(), MPFR_RNDN);
}

}  // namespace exact

double ulp_error(double y, mpfr_ptr exact) {
  const auto exponent = std::max<std::int64_t>(mpfr_get_exp(exact) - 53, -1074);
  Exact difference(y);
  mpfr_sub(difference.get(), difference.get(), exact, MPFR_RNDN);
  mpfr_div_2si(difference.get(), difference.get(), exponent, MPFR_RNDN);
  return std::abs(mpfr_get_d(difference.get(), MPFR_RNDN));
}

}  // namespace palinode
