// The transcendental kernels against MPFR, and against themselves on every SIMD target.
//
// PALINODE_EXHAUSTIVE=1 checks the rounding of all 2^32 inputs of each f32 function.
#include "tensor/kernels/math.h"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tensor/simd.h"

namespace palinode::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

// One function in its four forms.
struct Function {
  const char* name;
  void (*f32)(std::span<const float>, std::span<float>);
  void (*f64)(std::span<const double>, std::span<double>);
  double (*libm)(double);
  int (*exact)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
};

void PrintTo(const Function& function, std::ostream* out) { *out << function.name; }

const Function kExp{"exp", exp, exp, std::exp, mpfr_exp};
const Function kLog{"log", log, log, std::log, mpfr_log};
const Function kTanh{"tanh", tanh, tanh, std::tanh, mpfr_tanh};

// A number of MPFR with 200 bits.
class Exact {
 public:
  explicit Exact(double value = 0) {
    mpfr_init2(value_, 200);
    mpfr_set_d(value_, value, MPFR_RNDN);
  }
  ~Exact() { mpfr_clear(value_); }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  mpfr_ptr get() { return value_; }

 private:
  mpfr_t value_;
};

// The distance from y to a finite, nonzero exact value, in units in its last place.
double ulp_error(double y, mpfr_ptr exact) {
  const auto exponent = std::max<std::int64_t>(mpfr_get_exp(exact) - 53, -1074);
  Exact difference(y);
  mpfr_sub(difference.get(), difference.get(), exact, MPFR_RNDN);
  mpfr_div_2si(difference.get(), difference.get(), exponent, MPFR_RNDN);
  return std::abs(mpfr_get_d(difference.get(), MPFR_RNDN));
}

template <class T>
T at(void (*function)(std::span<const T>, std::span<T>), T x) {
  T y;
  function(std::span<const T>(&x, 1), std::span<T>(&y, 1));
  return y;
}

template <class T>
bool same_bits(T a, T b) {
  return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b));
}

// The correctly rounded value: libm's double where no tie of f32 is within 4 of its ulps.
float nearest_float(const Function& function, float x) {
  const double y = function.libm(static_cast<double>(x));
  if (y != y || std::isinf(y) || y == 0) return static_cast<float>(y);
  const auto bits = std::bit_cast<std::uint64_t>(y);
  const auto below = static_cast<float>(std::bit_cast<double>(bits - 4));
  const auto above = static_cast<float>(std::bit_cast<double>(bits + 4));
  if (below == above) return above;
  Exact exact(static_cast<double>(x));
  function.exact(exact.get(), exact.get(), MPFR_RNDN);
  return mpfr_get_flt(exact.get(), MPFR_RNDN);
}

// Counts wrong results among the inputs with bits first, first + stride, ... below end.
std::uint64_t misrounded(const Function& function, std::uint64_t first, std::uint64_t end,
                         std::uint64_t stride) {
  constexpr std::size_t kBlock = 4096;
  std::vector<float> x(kBlock);
  std::vector<float> y(kBlock);
  std::uint64_t wrong = 0;
  while (first < end) {
    std::size_t count = 0;
    for (; count < kBlock && first < end; ++count, first += stride) {
      x[count] = std::bit_cast<float>(static_cast<std::uint32_t>(first));
    }
    function.f32(std::span<const float>(x).first(count), std::span<float>(y).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      if (!same_bits(y[i], nearest_float(function, x[i]))) ++wrong;
    }
  }
  mpfr_free_cache();
  return wrong;
}

std::vector<double> hostile_doubles() {
  std::vector<double> x = {0.0,     kTiny,   0x1p-1022, kMax,  kInfinity, kNan,  1.0,   2.0,
                           0x1p-28, 0x1p-55, 709.78,    709.8, 745.13,    745.2, 708.4, 0.17328,
                           0.34657, 19.0,    20.0,      88.73, 103.9,     150.0, 1e300, 200.5};
  std::mt19937_64 random(11);
  for (int i = 0; i < 60000; ++i) x.push_back(std::bit_cast<double>(random()));
  std::uniform_real_distribution<double> ordinary(0.0, 40.0);
  for (int i = 0; i < 60000; ++i) x.push_back(ordinary(random));
  const std::size_t count = x.size();
  for (std::size_t i = 0; i < count; ++i) x.push_back(-x[i]);
  return x;
}

// Largest error in ulps over inputs whose exact value is finite and not zero.
double worst_error(const Function& function, const std::vector<double>& x) {
  std::vector<double> y(x.size());
  function.f64(x, y);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Exact exact(x[i]);
    function.exact(exact.get(), exact.get(), MPFR_RNDN);
    if (mpfr_regular_p(exact.get()) == 0 || std::isinf(y[i])) continue;
    worst = std::max(worst, ulp_error(y[i], exact.get()));
  }
  return worst;
}

std::vector<double> random_doubles(double low, double high, std::size_t count) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<double> x(count);
  for (double& value : x) value = uniform(random);
  return x;
}

// Positive numbers of every size between 2^low and 2^high.
std::vector<double> random_sizes(int low, int high, std::size_t count) {
  std::mt19937_64 random(6);
  std::uniform_int_distribution<int> exponent(low, high - 1);
  std::uniform_real_distribution<double> significand(1.0, 2.0);
  std::vector<double> x(count);
  for (double& value : x) value = std::ldexp(significand(random), exponent(random));
  return x;
}

class MathF32 : public testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(Functions, MathF32, testing::Values(kExp, kLog, kTanh),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(MathF32, IsCorrectlyRoundedOnASample) {
  EXPECT_EQ(misrounded(GetParam(), 0, std::uint64_t{1} << 32, 509), 0u);
}

TEST_P(MathF32, IsCorrectlyRoundedEverywhere) {
  if (std::getenv("PALINODE_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "PALINODE_EXHAUSTIVE not set";
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
  std::uint64_t upper = 0;
  std::thread other([&] { upper = misrounded(GetParam(), kHalf, 2 * kHalf, 1); });
  const std::uint64_t lower = misrounded(GetParam(), 0, kHalf, 1);
  other.join();
  EXPECT_EQ(lower + upper, 0u);
}

TEST(MathControl, TheSampleFindsAFunctionThatIsNotCorrectlyRounded) {
  Function control = kExp;
  control.f32 = [](std::span<const float> x, std::span<float> out) {
    for (std::size_t i = 0; i < x.size(); ++i) out[i] = std::exp(x[i] / 2) * std::exp(x[i] / 2);
  };
  EXPECT_GT(misrounded(control, 0, std::uint64_t{1} << 32, 100003), 100u);
}

class MathOnEveryTarget : public testing::TestWithParam<Function> {
 protected:
  void TearDown() override { use_simd(available_simd().front()); }
};
INSTANTIATE_TEST_SUITE_P(Functions, MathOnEveryTarget, testing::Values(kExp, kLog, kTanh),
                         [](const auto& test) { return std::string(test.param.name); });

// Expects the results of all targets to equal those of the last one, the scalar target where it is
// compiled.
template <class T>
void expect_same_bits(void (*function)(std::span<const T>, std::span<T>), const std::vector<T>& x) {
  std::vector<T> expected(x.size());
  use_simd(available_simd().back());
  function(x, expected);
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    std::vector<T> y(x.size());
    function(x, y);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(same_bits(y[i], expected[i]))
          << simd_name(simd) << " at " << x[i] << ": " << y[i] << " not " << expected[i];
    }
  }
}

TEST_P(MathOnEveryTarget, HasTheSameBitsInF64) {
  expect_same_bits(GetParam().f64, hostile_doubles());
}

TEST_P(MathOnEveryTarget, HasTheSameBitsInF32) {
  std::vector<float> x;
  for (const double value : hostile_doubles()) {
    if (std::abs(value) < 0x1p127 || value != value || std::isinf(value)) {
      x.push_back(static_cast<float>(value));
    }
  }
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 20011) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  expect_same_bits(GetParam().f32, x);
}

TEST_P(MathOnEveryTarget, TreatsEveryLengthAndAlignmentTheSame) {
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    for (std::size_t length = 0; length <= 40; ++length) {
      std::vector<float> values(length + 2, 0.75f);
      const std::span<float> inner = std::span(values).subspan(1, length);
      GetParam().f32(inner, inner);
      const float expected = at(GetParam().f32, 0.75f);
      EXPECT_EQ(values.front(), 0.75f);
      EXPECT_EQ(values.back(), 0.75f);
      EXPECT_EQ(std::count(inner.begin(), inner.end(), expected), std::ssize(inner));
    }
  }
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

TEST(MathF64, ExpIsWithinOneUlp) {
  EXPECT_LT(worst_error(kExp, random_doubles(-708, 709.7, 30000)), 0.6);
  EXPECT_LT(worst_error(kExp, random_doubles(-1, 1, 30000)), 0.6);
}

TEST(MathF64, ExpIsWithinOneUlpAmongSubnormalResults) {
  EXPECT_LT(worst_error(kExp, random_doubles(-745.2, -708, 30000)), 0.8);
}

TEST(MathF64, LogIsWithinOneUlp) {
  EXPECT_LT(worst_error(kLog, random_sizes(-1074, 1024, 30000)), 0.6);
  EXPECT_LT(worst_error(kLog, random_doubles(0.5, 2, 30000)), 0.6);
  EXPECT_LT(worst_error(kLog, random_doubles(1 - 0x1p-20, 1 + 0x1p-20, 30000)), 0.6);
}

TEST(MathF64, TanhIsWithinTwoUlps) {
  EXPECT_LT(worst_error(kTanh, random_doubles(-22, 22, 30000)), 0.6);
  EXPECT_LT(worst_error(kTanh, random_doubles(-0.4, 0.4, 30000)), 0.6);
  EXPECT_LT(worst_error(kTanh, random_sizes(-1074, 0, 30000)), 0.6);
}

TEST(MathF64, SinAndCosOfTurnsAreWithinOneUlp) {
  const auto u = random_doubles(0, 1, 30000);
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

TEST(MathF64, TurnsHaveTheSameBitsOnEveryTarget) {
  auto u = random_doubles(0, 1, 100003);
  for (const double edge : {0x1p-1074, 0x1p-60, 0.125, 0.375, 0.625, 0.875, 1 - 0x1p-53}) {
    u.push_back(edge);
    u.push_back(std::nextafter(edge, 0.0));
  }
  std::vector<double> expected_sin(u.size());
  std::vector<double> expected_cos(u.size());
  use_simd(available_simd().back());
  sin_cos_turns(u, expected_sin, expected_cos);
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    std::vector<double> sin(u.size());
    std::vector<double> cos(u.size());
    sin_cos_turns(u, sin, cos);
    EXPECT_TRUE(std::equal(sin.begin(), sin.end(), expected_sin.begin(), same_bits<double>));
    EXPECT_TRUE(std::equal(cos.begin(), cos.end(), expected_cos.begin(), same_bits<double>));
  }
  use_simd(available_simd().front());
}

}  // namespace
}  // namespace palinode::kernels
