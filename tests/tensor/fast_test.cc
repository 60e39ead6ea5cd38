// The fast variants against libm in f64, and against a second implementation on every SIMD target.
//
// PALINODE_EXHAUSTIVE=1 measures the error over all 2^32 inputs of each function.
#include "tensor/kernels/fast.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/fast_oracle.h"
#include "tests/support/fast_trig_oracle.h"

namespace palinode::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();
constexpr std::uint64_t kAll = std::uint64_t{1} << 32;

using In = std::span<const float>;
using Out = std::span<float>;

// One function: the kernel, the second implementation, the value in f64, and the largest error that
// docs/arithmetic.md states.
struct Function {
  const char* name;
  void (*kernel)(In, Out);
  float (*oracle)(float);
  double (*exact)(double);
  double max_ulp;
};

void PrintTo(const Function& function, std::ostream* out) { *out << function.name; }

double exact_sigmoid(double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

double exact_gelu(double x) {
  if (std::abs(x) > 30) return x < 0 ? -0.0 : x;
  return 0.5 * x * std::erfc(x * -0x1.6a09e667f3bcdp-1);
}

double exact_gelu_tanh(double x) {
  if (std::abs(x) > 30) return x < 0 ? -0.0 : x;
  return x * exact_sigmoid(0x1.9884533d43651p+0 * (x + 0.044715 * (x * x * x)));
}

const Function kFunctions[] = {
    {"exp", exp_fast, [](float x) { return oracle::exp_fast(x); }, std::exp, 1.05},
    {"log", log_fast, oracle::log_fast, std::log, 0.95},
    {"tanh", tanh_fast, oracle::tanh_fast, std::tanh, 1.47},
    {"sigmoid", sigmoid_fast, oracle::sigmoid_fast, exact_sigmoid, 1.1},
    {"erf", erf_fast, oracle::erf_fast, std::erf, 1.1},
    {"gelu", gelu_fast, oracle::gelu_fast, exact_gelu, 1.3},
    {"gelu_tanh", gelu_tanh_fast, oracle::gelu_tanh_fast, exact_gelu_tanh, 1.2},
    {"sin", sin_fast, oracle::sin_fast, std::sin, 0.95},
    {"cos", cos_fast, oracle::cos_fast, std::cos, 0.95},
    {"rsqrt", rsqrt_fast, oracle::rsqrt_fast, [](double x) { return 1 / std::sqrt(x); }, 1.5},
};

// The distance from y to the exact value in units in its last place, infinite where one is NaN and
// the other not or where a zero has the wrong sign. An overflow counts as 2^128.
double ulp_error(float y, double exact) {
  if (y != y || exact != exact) return y != y && exact != exact ? 0 : HUGE_VAL;
  if (y == 0 && std::signbit(y) != std::signbit(exact)) return HUGE_VAL;
  if (std::isinf(exact) || exact == 0) return static_cast<double>(y) == exact ? 0 : HUGE_VAL;
  const auto within = [](double value) { return std::clamp(value, -0x1p128, 0x1p128); };
  const int exponent = std::clamp(std::ilogb(exact), -126, 127) - 23;
  const auto ulp = std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
  return std::abs(within(static_cast<double>(y)) - within(exact)) / ulp;
}

// The largest error among the inputs with bits first, first + stride, ... below end.
double worst_error(const std::function<void(In, Out)>& kernel, double (*exact)(double),
                   std::uint64_t first, std::uint64_t end, std::uint64_t stride) {
  constexpr std::size_t kBlock = 4096;
  std::vector<float> x(kBlock);
  std::vector<float> y(kBlock);
  double worst = 0;
  while (first < end) {
    std::size_t count = 0;
    for (; count < kBlock && first < end; ++count, first += stride) {
      x[count] = std::bit_cast<float>(static_cast<std::uint32_t>(first));
    }
    kernel(In(x).first(count), Out(y).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      worst = std::max(worst, ulp_error(y[i], exact(static_cast<double>(x[i]))));
    }
  }
  return worst;
}

// Every 9973rd bit pattern, and the neighbours of the numbers where a formula turns.
std::vector<float> hostile_inputs() {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < kAll; bits += 9973) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  for (const float edge :
       {0.0f,    kTiny,    0x1p-126f, kMax,    kInfinity, 0.9f,       3.93f, 6.0f,   8.0f,
        9.1f,    11.0f,    14.6f,     40.0f,   104.0f,    88.722839f, 0.5f,  1.0f,   2.0f,
        0x1p17f, 0.78539f, 1.570796f, 103.97f, 87.3365f,  4.0f / 3,   0.75f, 0.3466f}) {
    const auto bits = std::bit_cast<std::uint32_t>(edge);
    for (std::uint32_t i = 0; i < 9; ++i) {
      x.push_back(std::bit_cast<float>(bits + i));
      x.push_back(-std::bit_cast<float>(bits - i));
      x.push_back(std::bit_cast<float>(bits - i));
      x.push_back(-std::bit_cast<float>(bits + i));
    }
  }
  return x;
}

float at(void (*kernel)(In, Out), float x) {
  float y;
  kernel(In(&x, 1), Out(&y, 1));
  return y;
}

class Fast : public testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(Functions, Fast, testing::ValuesIn(kFunctions),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(Fast, StaysWithinItsErrorOnASample) {
  EXPECT_LE(worst_error(GetParam().kernel, GetParam().exact, 0, kAll, 4099), GetParam().max_ulp);
}

TEST_P(Fast, StaysWithinItsErrorEverywhere) {
  if (std::getenv("PALINODE_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "PALINODE_EXHAUSTIVE not set";
  const auto& [name, kernel, oracle, exact, max_ulp] = GetParam();
  double upper = 0;
  std::thread other([&, kernel = kernel, exact = exact] {
    upper = worst_error(kernel, exact, kAll / 2, kAll, 1);
  });
  const double lower = worst_error(kernel, exact, 0, kAll / 2, 1);
  other.join();
  EXPECT_LE(std::max(lower, upper), max_ulp);
  EXPECT_GE(std::max(lower, upper), max_ulp - 0.01);
}

TEST_P(Fast, HasTheBitsOfTheSpecificationOnEveryTarget) {
  const std::vector<float> x = hostile_inputs();
  std::vector<float> want(x.size());
  std::transform(x.begin(), x.end(), want.begin(), GetParam().oracle);
  for_each_simd([&] {
    std::vector<float> y(x.size());
    GetParam().kernel(x, y);
    EXPECT_SAME_BITS(In(y), In(want));
  });
}

TEST_P(Fast, TreatsEveryLengthAndAlignmentTheSame) {
  for_each_simd([&] {
    for (std::size_t length = 0; length <= 40; ++length) {
      std::vector<float> values(length + 2, 0.75f);
      const std::span<float> inner = std::span(values).subspan(1, length);
      GetParam().kernel(inner, inner);
      const float expected = GetParam().oracle(0.75f);
      EXPECT_EQ(values.front(), 0.75f);
      EXPECT_EQ(values.back(), 0.75f);
      EXPECT_EQ(std::count(inner.begin(), inner.end(), expected), std::ssize(inner));
    }
  });
}

TEST_P(Fast, GivesAValueThatDependsOnItsOwnInputOnly) {
  for (const float neighbour : {kNan, kInfinity, -0.0f, kTiny, 1e30f}) {
    std::vector<float> x(37, neighbour);
    x[5] = x[36] = 1.25f;
    std::vector<float> y(x.size());
    GetParam().kernel(x, y);
    EXPECT_EQ(y[5], GetParam().oracle(1.25f));
    EXPECT_EQ(y[36], GetParam().oracle(1.25f));
  }
}

TEST_P(Fast, HasTheSameBitsWithAnyNumberOfThreads) {
  std::vector<float> x(100003);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0x1p-13f - 6;
  std::vector<float> want(x.size());
  std::vector<float> y(x.size());
  const std::size_t before = threads();
  set_threads(1);
  GetParam().kernel(x, want);
  set_threads(3);
  GetParam().kernel(x, y);
  set_threads(before);
  EXPECT_SAME_BITS(In(y), In(want));
}

TEST(FastControl, AWrongCoefficientIsFound) {
  auto coefficients = oracle::kExpCoefficients;
  const auto kernel = [&](In x, Out y) {
    std::transform(x.begin(), x.end(), y.begin(),
                   [&](float value) { return oracle::exp_fast(value, coefficients); });
  };
  EXPECT_LE(worst_error(kernel, std::exp, 0, kAll, 40009), 1.05);
  coefficients[1] = 0x1.5556aap-3f;
  EXPECT_GT(worst_error(kernel, std::exp, 0, kAll, 40009), 1.5);
}

TEST(FastControl, AWrongSpecialValueIsFound) {
  EXPECT_EQ(ulp_error(kNan, 1.0), HUGE_VAL);
  EXPECT_EQ(ulp_error(0.0f, -1e-300), HUGE_VAL);
  EXPECT_EQ(ulp_error(kMax, HUGE_VAL), HUGE_VAL);
  EXPECT_EQ(ulp_error(kInfinity, static_cast<double>(kMax)), 1.0);
  EXPECT_EQ(ulp_error(kTiny, 0x1p-151), 0.75);
}

struct SpecialValue {
  void (*kernel)(In, Out);
  float x, y;
};

TEST(FastSpecialValues, AreThoseOfTheDocument) {
  for (const auto& [kernel, x, y] :
       std::vector<SpecialValue>{{exp_fast, kInfinity, kInfinity},
                                 {exp_fast, -kInfinity, 0.0f},
                                 {exp_fast, -0.0f, 1.0f},
                                 {exp_fast, 88.73f, kInfinity},
                                 {log_fast, -0.0f, -kInfinity},
                                 {log_fast, kInfinity, kInfinity},
                                 {log_fast, -kTiny, kNan},
                                 {log_fast, 1.0f, 0.0f},
                                 {tanh_fast, -0.0f, -0.0f},
                                 {tanh_fast, -kInfinity, -1.0f},
                                 {sigmoid_fast, 0.0f, 0.5f},
                                 {sigmoid_fast, -kInfinity, 0.0f},
                                 {sigmoid_fast, kInfinity, 1.0f},
                                 {erf_fast, -0.0f, -0.0f},
                                 {erf_fast, -kInfinity, -1.0f},
                                 {gelu_fast, -0.0f, -0.0f},
                                 {gelu_fast, kInfinity, kInfinity},
                                 {gelu_fast, -kInfinity, -0.0f},
                                 {gelu_tanh_fast, -0.0f, -0.0f},
                                 {gelu_tanh_fast, kInfinity, kInfinity},
                                 {gelu_tanh_fast, -kInfinity, -0.0f},
                                 {sin_fast, -0.0f, -0.0f},
                                 {sin_fast, kInfinity, kNan},
                                 {sin_fast, -kTiny, -kTiny},
                                 {cos_fast, -0.0f, 1.0f},
                                 {cos_fast, -kInfinity, kNan},
                                 {rsqrt_fast, -0.0f, -kInfinity},
                                 {rsqrt_fast, kInfinity, 0.0f},
                                 {rsqrt_fast, -1.0f, kNan},
                                 {rsqrt_fast, 4.0f, 0.5f}}) {
    const float got = at(kernel, x);
    EXPECT_SAME_BITS(In(&got, 1), In(&y, 1)) << " at " << x;
  }
}

}  // namespace
}  // namespace palinode::kernels
