// KL and JS against MPFR, on the cases that naive formulas get wrong.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "experiments/precision/exact.h"
#include "rbl/metrics.h"
#include "tensor/rng.h"

namespace palinode::rbl {
namespace {

constexpr mpfr_rnd_t kNear = MPFR_RNDN;

// A number of 1,600 bits: enough to subtract logits of 1e300 from each other.
class Big {
 public:
  explicit Big(double value = 0) {
    mpfr_init2(value_, 1600);
    mpfr_set_d(value_, value, kNear);
  }
  Big(const Big& other) : Big() { mpfr_set(value_, other.value_, kNear); }
  Big& operator=(const Big& other) {
    mpfr_set(value_, other.value_, kNear);
    return *this;
  }
  ~Big() { mpfr_clear(value_); }
  double value() const { return mpfr_get_d(value_, kNear); }
  friend Big operator+(const Big& a, const Big& b) { return of(mpfr_add, a, b); }
  friend Big operator-(const Big& a, const Big& b) { return of(mpfr_sub, a, b); }
  friend Big operator*(const Big& a, const Big& b) { return of(mpfr_mul, a, b); }
  friend bool operator>(const Big& a, const Big& b) { return mpfr_greater_p(a.value_, b.value_); }
  Big exp() const { return of(mpfr_exp); }
  Big log() const { return of(mpfr_log); }
  bool zero() const { return mpfr_zero_p(value_); }

 private:
  static Big of(int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t), const Big& a,
                const Big& b) {
    Big result;
    f(result.value_, a.value_, b.value_, kNear);
    return result;
  }
  Big of(int (*f)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t)) const {
    Big result;
    f(result.value_, value_, kNear);
    return result;
  }
  mpfr_t value_;
};

// log-softmax of a row of logits, exactly.
std::vector<Big> exact_log_p(const std::vector<double>& logits) {
  Big largest(logits[0]), total(0);
  for (const double x : logits) largest = Big(x) > largest ? Big(x) : largest;
  for (const double x : logits) total = total + (Big(x) - largest).exp();
  std::vector<Big> result;
  for (const double x : logits) result.push_back(Big(x) - largest - total.log());
  return result;
}

struct Exactly {
  double kl, js;
};

Exactly exactly(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<Big> lp = exact_log_p(a), lq = exact_log_p(b);
  Big kl, js;
  const Big half(0.5);
  for (std::size_t i = 0; i < lp.size(); ++i) {
    const Big p = lp[i].exp(), q = lq[i].exp();
    const Big m = (p + q) * half;
    if (!p.zero()) kl = kl + p * (lp[i] - lq[i]);
    if (!p.zero()) js = js + half * p * (lp[i] - m.log());
    if (!q.zero()) js = js + half * q * (lq[i] - m.log());
  }
  return {kl.value(), js.value()};
}

struct Measured {
  double kl, js;
};

Measured measured(const std::vector<double>& a, const std::vector<double>& b) {
  const Tensor p = log_probabilities(Tensor::from<double>(a, {1, a.size()}));
  const Tensor q = log_probabilities(Tensor::from<double>(b, {1, b.size()}));
  return {kl_divergence(p, q).mean, js_divergence(p, q).mean};
}

std::vector<double> logits(std::uint64_t seed, std::size_t classes, double size) {
  std::vector<double> x;
  for (std::size_t i = 0; i < classes; ++i) x.push_back(size * Rng(seed).normal(i));
  return x;
}

double relative_error(double got, double want) { return std::abs(got - want) / std::abs(want); }

TEST(DivergencePrecision, OfOrdinaryLogitsIsNearlyThatOfF64) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const double size = std::ldexp(1.0, static_cast<int>(seed % 8) - 2);
    const std::size_t classes = seed % 3 == 0 ? 2 : 50;
    const std::vector<double> a = logits(seed, classes, size),
                              b = logits(seed + 500, classes, size);
    const Exactly want = exactly(a, b);
    const Measured got = measured(a, b);
    EXPECT_LT(relative_error(got.kl, want.kl), 2e-13) << seed;
    EXPECT_LT(relative_error(got.js, want.js), 2e-13) << seed;
  }
}

// Logits of f32 models: one of them differs in its last bit. KL is about 1e-15 there, where
// sum p (ln p - ln q) has no digit left.
TEST(DivergencePrecision, OfLogitsOneUlpOfF32ApartKeepsSevenDigits) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    std::vector<double> a = logits(seed, 10, 2);
    for (double& x : a) x = static_cast<float>(x);
    std::vector<double> b = a;
    b[seed % 10] = std::nextafter(static_cast<float>(b[seed % 10]), 100.0F);
    const Exactly want = exactly(a, b);
    const Measured got = measured(a, b);
    EXPECT_LT(relative_error(got.kl, want.kl), 1e-7) << seed;
    EXPECT_LT(relative_error(got.js, want.js), 1e-7) << seed;
  }
}

// One ulp of f64 is what log-softmax itself rounds by: only the size is left, and that is what the
// floor of recoverability is for.
TEST(DivergencePrecision, OfLogitsOneUlpOfF64ApartIsBelowTheFloor) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<double> a = logits(seed, 10, 2);
    std::vector<double> b = a;
    b[seed % 10] = std::nextafter(b[seed % 10], 100.0);
    EXPECT_LT(exactly(a, b).kl, kDivergenceFloor);
    EXPECT_LT(measured(a, b).kl, kDivergenceFloor);
    EXPECT_LT(measured(a, b).js, kDivergenceFloor);
    EXPECT_GE(measured(a, b).kl, 0);
  }
}

TEST(DivergencePrecision, StandsHugeLogits) {
  for (const double size : {1e2, 1e3, 1e6, 1e30, 1e150, 1e300}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const std::vector<double> a = logits(seed, 5, size), b = logits(seed + 500, 5, size);
      const Exactly want = exactly(a, b);
      const Measured got = measured(a, b);
      if (want.kl > 1e-300) {
        EXPECT_LT(relative_error(got.kl, want.kl), 1e-12) << size << " " << seed;
      }
      EXPECT_NEAR(got.js, want.js, 1e-15) << size << " " << seed;
    }
  }
}

TEST(DivergencePrecision, OfAShiftedRowIsZeroToRounding) {
  std::vector<double> a = logits(1, 10, 2), b = a;
  for (double& x : b) x += 1024;
  EXPECT_LT(measured(a, b).kl, 1e-25);
}

}  // namespace
}  // namespace palinode::rbl
