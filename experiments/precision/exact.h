// The transcendental functions to 256 bits, by MPFR.
#pragma once

#include <mpfr.h>

namespace palinode {

// A number of MPFR with 256 bits.
class Exact {
 public:
  explicit Exact(double value = 0) {
    mpfr_init2(value_, 256);
    mpfr_set_d(value_, value, MPFR_RNDN);
  }
  ~Exact() { mpfr_clear(value_); }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  mpfr_ptr get() { return value_; }

 private:
  mpfr_t value_;
};

// y = f(x), for finite x; y may be x.
namespace exact {
void exp(mpfr_ptr y, mpfr_srcptr x);
void log(mpfr_ptr y, mpfr_srcptr x);
void tanh(mpfr_ptr y, mpfr_srcptr x);
void sigmoid(mpfr_ptr y, mpfr_srcptr x);
void erf(mpfr_ptr y, mpfr_srcptr x);
void gelu(mpfr_ptr y, mpfr_srcptr x);
void gelu_tanh(mpfr_ptr y, mpfr_srcptr x);
void sin(mpfr_ptr y, mpfr_srcptr x);
void cos(mpfr_ptr y, mpfr_srcptr x);
void rsqrt(mpfr_ptr y, mpfr_srcptr x);
void silu(mpfr_ptr y, mpfr_srcptr x);
void erfc(mpfr_ptr y, mpfr_srcptr x);
void tan(mpfr_ptr y, mpfr_srcptr x);
void asin(mpfr_ptr y, mpfr_srcptr x);
void acos(mpfr_ptr y, mpfr_srcptr x);
void atan(mpfr_ptr y, mpfr_srcptr x);
void sinh(mpfr_ptr y, mpfr_srcptr x);
void cosh(mpfr_ptr y, mpfr_srcptr x);
void asinh(mpfr_ptr y, mpfr_srcptr x);
void acosh(mpfr_ptr y, mpfr_srcptr x);
void atanh(mpfr_ptr y, mpfr_srcptr x);
void exp2(mpfr_ptr y, mpfr_srcptr x);
void expm1(mpfr_ptr y, mpfr_srcptr x);
void log2(mpfr_ptr y, mpfr_srcptr x);
void log10(mpfr_ptr y, mpfr_srcptr x);
void log1p(mpfr_ptr y, mpfr_srcptr x);
void cbrt(mpfr_ptr y, mpfr_srcptr x);
// The derivatives of gelu, gelu_tanh and erf.
void gelu_slope(mpfr_ptr y, mpfr_srcptr x);
void gelu_tanh_slope(mpfr_ptr y, mpfr_srcptr x);
void silu_slope(mpfr_ptr y, mpfr_srcptr x);
void erf_slope(mpfr_ptr y, mpfr_srcptr x);
}  // namespace exact

// The distance from y to a finite, nonzero exact value, in units in its last place as an f64.
double ulp_error(double y, mpfr_ptr exact);

}  // namespace palinode
