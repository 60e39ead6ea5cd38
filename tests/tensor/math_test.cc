// The transcendental kernels in f64 against MPFR, and at special values.
#include "tensor/kernels/math.h"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "experiments/precision/exact.h"
#include "tests/support/functions.h"

namespace palinode::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

template <class T>
bool same_bits(T a, T b) {
  return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b));
}

// Largest error in ulps over inputs whose exact value is finite and not zero.
double worst_error(std::string_view name, const std::vector<double>& x) {
  const Function& function = function_named(name);
  std::vector<double> y(x.size());
  function.f64(x, y);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Exact exact(x[i]);
    function.exact(exact.get(), exact.get());
    if (mpfr_regular_p(exact.get()) == 0 || std::isinf(y[i])) continue;
    const double error = ulp_error(y[i], exact.get());
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

std::vector<double> random_doubles(double low, double high, std::size_t count = 20000) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<double> x(count);
  for (double& value : x) value = uniform(random);
  return x;
}

// Numbers of every size between 2^low and 2^high.
std::vector<double> random_sizes(int low, int high, std::size_t count = 20000) {
  std::mt19937_64 random(6);
  std::uniform_int_distribution<int> exponent(low, high - 1);
  std::uniform_real_distribution<double> significand(1.0, 2.0);
  std::vector<double> x(count);
  for (double& value : x) value = std::ldexp(significand(random), exponent(random));
  return x;
}

std::vector<double> negated(std::vector<double> x) {
  for (double& value : x) value = -value;
  return x;
}

TEST(MathSpecialValues, OfExp) {
  EXPECT_TRUE(same_bits(at<double>(exp, 0.0), 1.0));
  EXPECT_TRUE(same_bits(at<double>(exp, -0.0), 1.0));
  EXPECT_TRUE(same_bits(at<double>(exp, kInfinity), kInfinity));
  EXPECT_TRUE(same_bits(at<double>(exp, -kInfinity), 0.0));
  EXPECT_TRUE(same_bits(at<double>(exp, kNan), kNan));
  EXPECT_TRUE(same_bits(at<double>(exp, kMax), kInfinity));
  EXPECT_TRUE(same_bits(at<double>(exp, -kMax), 0.0));
  EXPECT_TRUE(same_bits(at<double>(exp, 0x1.62e42fefa39efp+9), 0x1.fffffffffff2ap+1023));
  EXPECT_TRUE(same_bits(at<double>(exp, 0x1.62e42fefa39f0p+9), kInfinity));
  EXPECT_TRUE(same_bits(at<double>(exp, -745.13), kTiny));
  EXPECT_TRUE(same_bits(at<double>(exp, -745.14), 0.0));
}

TEST(MathSpecialValues, OfLog) {
  EXPECT_TRUE(same_bits(at<double>(log, 0.0), -kInfinity));
  EXPECT_TRUE(same_bits(at<double>(log, -0.0), -kInfinity));
  EXPECT_TRUE(same_bits(at<double>(log, 1.0), 0.0));
  EXPECT_TRUE(same_bits(at<double>(log, kInfinity), kInfinity));
  EXPECT_TRUE(same_bits(at<double>(log, -kInfinity), kNan));
  EXPECT_TRUE(same_bits(at<double>(log, -kTiny), kNan));
  EXPECT_TRUE(same_bits(at<double>(log, kNan), kNan));
  EXPECT_TRUE(same_bits(at<double>(log, kTiny), -0x1.74385446d71c3p+9));
}

TEST(MathSpecialValues, OfTanh) {
  EXPECT_TRUE(same_bits(at<double>(tanh, 0.0), 0.0));
  EXPECT_TRUE(same_bits(at<double>(tanh, -0.0), -0.0));
  EXPECT_TRUE(same_bits(at<double>(tanh, kInfinity), 1.0));
  EXPECT_TRUE(same_bits(at<double>(tanh, -kInfinity), -1.0));
  EXPECT_TRUE(same_bits(at<double>(tanh, kNan), kNan));
  EXPECT_TRUE(same_bits(at<double>(tanh, kMax), 1.0));
  EXPECT_TRUE(same_bits(at<double>(tanh, -kTiny), -kTiny));
  EXPECT_TRUE(same_bits(at<double>(tanh, 0x1.23456789abcdep-1030), 0x1.23456789abcdep-1030));
}

TEST(MathSpecialValues, OfSigmoid) {
  EXPECT_TRUE(same_bits(at<double>(sigmoid, 0.0), 0.5));
  EXPECT_TRUE(same_bits(at<double>(sigmoid, -0.0), 0.5));
  EXPECT_TRUE(same_bits(at<double>(sigmoid, kInfinity), 1.0));
  EXPECT_TRUE(same_bits(at<double>(sigmoid, -kInfinity), 0.0));
  EXPECT_TRUE(same_bits(at<double>(sigmoid, kNan), kNan));
  EXPECT_TRUE(same_bits(at<double>(sigmoid, -745.13), kTiny));
  EXPECT_TRUE(same_bits(at<double>(sigmoid, -745.14), 0.0));
  EXPECT_TRUE(same_bits(at<float>(sigmoid, -103.97f), std::numeric_limits<float>::denorm_min()));
  EXPECT_TRUE(same_bits(at<float>(sigmoid, -103.98f), 0.0f));
}

TEST(MathSpecialValues, OfErf) {
  EXPECT_TRUE(same_bits(at<double>(erf, 0.0), 0.0));
  EXPECT_TRUE(same_bits(at<double>(erf, -0.0), -0.0));
  EXPECT_TRUE(same_bits(at<double>(erf, kInfinity), 1.0));
  EXPECT_TRUE(same_bits(at<double>(erf, -kInfinity), -1.0));
  EXPECT_TRUE(same_bits(at<double>(erf, kNan), kNan));
  EXPECT_TRUE(same_bits(at<double>(erf, kTiny), kTiny));
  EXPECT_TRUE(same_bits(at<double>(erf, 2 * kTiny), 2 * kTiny));
}

TEST(MathSpecialValues, OfSilu) {
  EXPECT_TRUE(same_bits(at<double>(silu, 0.0), 0.0));
  EXPECT_TRUE(same_bits(at<double>(silu, -0.0), -0.0));
  EXPECT_TRUE(same_bits(at<double>(silu, kInfinity), kInfinity));
  EXPECT_TRUE(same_bits(at<double>(silu, -kInfinity), -0.0));
  EXPECT_TRUE(same_bits(at<double>(silu, kMax), kMax));
  EXPECT_TRUE(same_bits(at<double>(silu, -kMax), -0.0));
  EXPECT_TRUE(same_bits(at<double>(silu, kNan), kNan));
  EXPECT_TRUE(same_bits(at<float>(silu, -1e30f), -0.0f));
}

TEST(MathSpecialValues, OfBothFormsOfGelu) {
  for (const auto& [wide, narrow] :
       {std::pair{function_named("gelu").f64, function_named("gelu").f32},
        std::pair{function_named("gelu_tanh").f64, function_named("gelu_tanh").f32}}) {
    EXPECT_TRUE(same_bits(at(wide, 0.0), 0.0));
    EXPECT_TRUE(same_bits(at(wide, -0.0), -0.0));
    EXPECT_TRUE(same_bits(at(wide, kInfinity), kInfinity));
    EXPECT_TRUE(same_bits(at(wide, -kInfinity), -0.0));
    EXPECT_TRUE(same_bits(at(wide, kMax), kMax));
    EXPECT_TRUE(same_bits(at(wide, -kMax), -0.0));
    EXPECT_TRUE(same_bits(at(wide, kNan), kNan));
    EXPECT_TRUE(same_bits(at(wide, -39.0), -0.0));
    EXPECT_TRUE(same_bits(at(narrow, -15.0f), -0.0f));
    // x/2 would be a tie; the next term, which is positive, decides.
    const float tiny = std::numeric_limits<float>::denorm_min();
    EXPECT_TRUE(same_bits(at(narrow, tiny), tiny));
    EXPECT_TRUE(same_bits(at(narrow, -tiny), -0.0f));
    EXPECT_TRUE(same_bits(at(narrow, -3 * tiny), -tiny));
  }
}

TEST(MathSpecialValues, OfSinAndCos) {
  for (const double none : {kInfinity, -kInfinity, kNan}) {
    EXPECT_TRUE(same_bits(at<double>(sin, none), kNan));
    EXPECT_TRUE(same_bits(at<double>(cos, none), kNan));
  }
  EXPECT_TRUE(same_bits(at<double>(sin, 0.0), 0.0));
  EXPECT_TRUE(same_bits(at<double>(sin, -0.0), -0.0));
  EXPECT_TRUE(same_bits(at<double>(sin, -kTiny), -kTiny));
  EXPECT_TRUE(same_bits(at<double>(cos, -0.0), 1.0));
  // The f64 nearest to pi, and the one that is nearest to a multiple of pi/2 for its size.
  EXPECT_TRUE(same_bits(at<double>(sin, 0x1.921fb54442d18p+1), 0x1.1a62633145c07p-53));
  EXPECT_TRUE(same_bits(at<double>(cos, 0x1.6ac5b262ca1ffp+849), -0x1.14ae72e6ba22fp-61));
}

TEST(MathSpecialValues, OfRsqrt) {
  EXPECT_TRUE(same_bits(at<double>(rsqrt, 0.0), kInfinity));
  EXPECT_TRUE(same_bits(at<double>(rsqrt, -0.0), -kInfinity));
  EXPECT_TRUE(same_bits(at<double>(rsqrt, kInfinity), 0.0));
  EXPECT_TRUE(same_bits(at<double>(rsqrt, -kInfinity), kNan));
  EXPECT_TRUE(same_bits(at<double>(rsqrt, -kTiny), kNan));
  EXPECT_TRUE(same_bits(at<double>(rsqrt, kNan), kNan));
  EXPECT_TRUE(same_bits(at<double>(rsqrt, kTiny), 0x1p537));
  EXPECT_TRUE(same_bits(at<float>(rsqrt, 0x1p-148f), 0x1p74f));
}

// What the declarations in math.h promise, with the errors that docs/arithmetic.md states.

TEST(MathF64, Exp) {
  EXPECT_LT(worst_error("exp", random_doubles(-708, 709.7)), 0.54);
  EXPECT_LT(worst_error("exp", random_doubles(-1, 1)), 0.54);
  EXPECT_LT(worst_error("exp", random_doubles(-745.2, -708)), 0.77);
}

TEST(MathF64, Log) {
  EXPECT_LT(worst_error("log", random_sizes(-1074, 1024)), 0.56);
  EXPECT_LT(worst_error("log", random_doubles(0.5, 2)), 0.56);
  EXPECT_LT(worst_error("log", random_doubles(1 - 0x1p-20, 1 + 0x1p-20)), 0.56);
}

TEST(MathF64, Tanh) {
  EXPECT_LT(worst_error("tanh", random_doubles(-22, 22)), 0.59);
  EXPECT_LT(worst_error("tanh", random_doubles(-0.4, 0.4)), 0.59);
  EXPECT_LT(worst_error("tanh", random_sizes(-1074, 0)), 0.59);
}

TEST(MathF64, Sigmoid) {
  EXPECT_LT(worst_error("sigmoid", random_doubles(-708, 50)), 0.54);
  EXPECT_LT(worst_error("sigmoid", random_doubles(-4, 4)), 0.54);
  EXPECT_LT(worst_error("sigmoid", random_doubles(-745.2, -708)), 0.77);
}

TEST(MathF64, Erf) {
  EXPECT_LT(worst_error("erf", random_doubles(-6.5, 6.5)), 0.51);
  EXPECT_LT(worst_error("erf", random_doubles(-0.1, 0.1)), 0.51);
  EXPECT_LT(worst_error("erf", random_sizes(-1020, 0)), 0.51);
  EXPECT_LT(worst_error("erf", random_sizes(-1074, -1020)), 0.77);
}

TEST(MathF64, GeluKeepsItsDigitsInTheTail) {
  EXPECT_LT(worst_error("gelu", random_doubles(-37.4, 10, 4000)), 0.53);
  EXPECT_LT(worst_error("gelu", random_doubles(-2, 2, 4000)), 0.53);
  EXPECT_LT(worst_error("gelu", random_doubles(-38.5, -37.4, 2000)), 0.77);
  EXPECT_LT(worst_error("gelu", negated(random_sizes(-1074, 0, 4000))), 0.53);
}

TEST(MathF64, GeluTanhKeepsItsDigitsInTheTail) {
  EXPECT_LT(worst_error("gelu_tanh", random_doubles(-21, 10)), 0.53);
  EXPECT_LT(worst_error("gelu_tanh", random_doubles(-2, 2)), 0.53);
  EXPECT_LT(worst_error("gelu_tanh", random_doubles(-21.5, -21)), 0.77);
  EXPECT_LT(worst_error("gelu_tanh", negated(random_sizes(-1074, 0))), 0.53);
}

TEST(MathF64, SiluKeepsItsDigitsInTheTail) {
  EXPECT_LT(worst_error("silu", random_doubles(-708, 50)), 0.52);
  EXPECT_LT(worst_error("silu", random_doubles(-2, 2)), 0.52);
  EXPECT_LT(worst_error("silu", random_doubles(-752, -714)), 0.77);
  EXPECT_LT(worst_error("silu", negated(random_sizes(-1074, 0))), 0.52);
}

// Each slope but erf's has a zero, around which its f64 form keeps an absolute error only.
TEST(MathF64, SlopesKeepTheirDigitsAwayFromTheirZeros) {
  EXPECT_LT(worst_error("erf_slope", random_doubles(-26.6, 26.6)), 0.53);
  EXPECT_LT(worst_error("gelu_slope", random_doubles(-37.4, -1.5, 1000)), 0.53);
  EXPECT_LT(worst_error("gelu_slope", random_doubles(-0.3, 10, 1000)), 0.53);
  EXPECT_LT(worst_error("gelu_tanh_slope", random_doubles(-21, -1.5)), 0.53);
  EXPECT_LT(worst_error("gelu_tanh_slope", random_doubles(-0.3, 10)), 0.53);
  EXPECT_LT(worst_error("silu_slope", random_doubles(-708, -2)), 0.53);
  EXPECT_LT(worst_error("silu_slope", random_doubles(-0.6, 50)), 0.53);
}

TEST(MathF64, SinAndCosOfEverySize) {
  for (const char* name : {"sin", "cos"}) {
    EXPECT_LT(worst_error(name, random_doubles(-10, 10)), 0.501);
    EXPECT_LT(worst_error(name, random_doubles(-0x1p20, 0x1p20)), 0.501);
    EXPECT_LT(worst_error(name, random_sizes(-1074, 1024)), 0.501);
  }
}

// The f64 nearest to n pi/2, where the result or its neighbour is next to zero.
TEST(MathF64, SinAndCosNextToTheirZeros) {
  std::vector<double> x;
  for (const double n : random_sizes(0, 60)) x.push_back(std::nearbyint(n) * M_PI_2);
  EXPECT_LT(worst_error("sin", x), 0.501);
  EXPECT_LT(worst_error("cos", x), 0.501);
}

TEST(MathF64, Rsqrt) {
  EXPECT_LT(worst_error("rsqrt", random_sizes(-1074, 1024)), 1.5);
  EXPECT_LT(worst_error("rsqrt", random_doubles(0, 2)), 1.5);
}

// The control: the formula as it is usually written has no digit left there.
TEST(MathF64, TheUsualFormOfGeluTanhWouldLoseItsDigits) {
  double worst = 0;
  for (const double x : random_doubles(-20, -1)) {
    Exact exact(x);
    exact::gelu_tanh(exact.get(), exact.get());
    const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * (x * x * x));
    const double y = 0.5 * x * (1 + std::tanh(u));
    worst = std::max(worst, ulp_error(y, exact.get()));
  }
  EXPECT_GT(worst, 1e6);
}

TEST(MathF64, SinAndCosOfTurnsAreWithinOneUlp) {
  const auto u = random_doubles(0, 1);
  std::vector<double> sin(u.size());
  std::vector<double> cos(u.size());
  sin_cos_turns(u, sin, cos);
  double worst = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    Exact angle(u[i]);
    Exact pi;
    Exact exact;
    mpfr_const_pi(pi.get(), MPFR_RNDN);
    mpfr_mul(angle.get(), angle.get(), pi.get(), MPFR_RNDN);
    mpfr_mul_ui(angle.get(), angle.get(), 2, MPFR_RNDN);
    mpfr_sin(exact.get(), angle.get(), MPFR_RNDN);
    worst = std::max(worst, ulp_error(sin[i], exact.get()));
    mpfr_cos(exact.get(), angle.get(), MPFR_RNDN);
    worst = std::max(worst, ulp_error(cos[i], exact.get()));
  }
  EXPECT_LT(worst, 0.95);
}

TEST(MathF64, QuarterTurnsAreExact) {
  const std::vector<double> u = {0.0, 0.25, 0.5, 0.75};
  std::vector<double> sin(4);
  std::vector<double> cos(4);
  sin_cos_turns(u, sin, cos);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(same_bits(sin[i], std::vector{0.0, 1.0, 0.0, -1.0}[i])) << i;
    EXPECT_TRUE(same_bits(cos[i], std::vector{1.0, 0.0, -1.0, 0.0}[i])) << i;
  }
}

}  // namespace
}  // namespace palinode::kernels
