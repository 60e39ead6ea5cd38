// The transcendental kernels have the same bits on every SIMD target: in f64 those of a second,
// scalar implementation, in f32 those of correct rounding.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tensor/kernels/erf_table.h"
#include "tensor/kernels/math.h"
#include "tensor/kernels/trig_table.h"
#include "tests/support/bits.h"
#include "tests/support/functions.h"
#include "tests/support/scalar_math.h"
#include "tests/support/scalar_tables.h"

namespace palinode::kernels {
namespace {

// Edges of every algorithm, every bit pattern at random, and ordinary numbers, of both signs.
std::vector<double> hostile_doubles() {
  std::vector<double> x = {0.0,
                           std::numeric_limits<double>::denorm_min(),
                           std::numeric_limits<double>::max(),
                           std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN(),
                           0x1p-1022,
                           0x1p-960,
                           0x1.6ac5b262ca1ffp+849};
  for (const double edge : {0x1p-28, 0x1p-55,  709.78,  709.8, 745.13,   745.2,    708.4, 0.17328,
                            0.34657, 19.0,     20.0,    22.0,  38.75,    38.58,    39.0,  6.5,
                            6.96875, 0.96875,  2.96875, 88.73, 103.9,    150.0,    760.0, 800.0,
                            0x1p20,  0.785398, 1e300,   200.5, 1 / 64.0, 3 / 64.0, 32.0,  21.55}) {
    for (const double value : {std::nextafter(edge, 0.0), edge, std::nextafter(edge, 1e308)}) {
      x.push_back(value);
    }
  }
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) x.push_back(std::bit_cast<double>(random()));
  for (const double limit : {1.0, 7.0, 40.0, 800.0, 0x1.8p20}) {
    std::uniform_real_distribution<double> ordinary(0.0, limit);
    for (int i = 0; i < 10000; ++i) x.push_back(ordinary(random));
  }
  const std::size_t count = x.size();
  for (std::size_t i = 0; i < count; ++i) x.push_back(-x[i]);
  return x;
}

class MathOnEveryTarget : public testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(Functions, MathOnEveryTarget, testing::ValuesIn(functions()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(MathOnEveryTarget, HasTheBitsOfTheScalarImplementationInF64) {
  const std::vector<double> x = hostile_doubles();
  std::vector<double> expected;
  for (const double value : x) expected.push_back(GetParam().scalar(value));
  for_each_simd([&] {
    std::vector<double> y(x.size());
    GetParam().f64(x, y);
    EXPECT_SAME_BITS(y, expected);
  });
}

TEST_P(MathOnEveryTarget, IsCorrectlyRoundedInF32) {
  std::vector<float> x;
  for (const double value : hostile_doubles()) {
    if (!(std::abs(value) >= 0x1p127) || std::isinf(value)) x.push_back(static_cast<float>(value));
  }
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 40009) {
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  std::vector<float> expected;
  for (const float value : x) expected.push_back(nearest_float(GetParam(), value));
  for_each_simd([&] {
    std::vector<float> y(x.size());
    GetParam().f32(x, y);
    EXPECT_SAME_BITS(y, expected);
  });
}

TEST_P(MathOnEveryTarget, TreatsEveryLengthAndAlignmentTheSame) {
  const float expected = nearest_float(GetParam(), 0.75f);
  for_each_simd([&] {
    for (std::size_t length = 0; length <= 40; ++length) {
      std::vector<float> values(length + 2, 0.75f);
      const std::span<float> inner = std::span(values).subspan(1, length);
      GetParam().f32(inner, inner);
      std::vector<float> wanted(length + 2, expected);
      wanted.front() = wanted.back() = 0.75f;
      EXPECT_SAME_BITS(values, wanted);
    }
  });
}

TEST(MathOnEveryTarget, TurnsHaveTheBitsOfTheScalarImplementation) {
  std::vector<double> u;
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  for (int i = 0; i < 100003; ++i) u.push_back(uniform(random));
  for (const double edge : {0x1p-1074, 0x1p-60, 0.125, 0.375, 0.625, 0.875, 1 - 0x1p-53}) {
    u.push_back(edge);
    u.push_back(std::nextafter(edge, 0.0));
  }
  std::vector<double> expected_sin;
  std::vector<double> expected_cos;
  for (const double turns : u) {
    expected_sin.push_back(scalar::sin_of_turns(turns));
    expected_cos.push_back(scalar::cos_of_turns(turns));
  }
  for_each_simd([&] {
    std::vector<double> sin(u.size());
    std::vector<double> cos(u.size());
    sin_cos_turns(u, sin, cos);
    EXPECT_SAME_BITS(sin, expected_sin);
    EXPECT_SAME_BITS(cos, expected_cos);
  });
}

void expect_rows(const double (*table)[16], std::size_t count, const scalar::Row* rows) {
  for (std::size_t j = 0; j < count; ++j) EXPECT_SAME_BITS(table[j], rows[j]) << "row " << j;
}

TEST(MathTables, AreWhatTheirDefinitionsSay) {
  expect_rows(kErfTable, std::size(kErfTable), scalar::erf_table());
  expect_rows(kMillsTable, std::size(kMillsTable), scalar::mills_table());
  for (std::size_t i = 0; i < std::size(kSinCosTable); ++i) {
    const scalar::SineRow& row = scalar::sine_table()[i];
    const double expected[] = {row.sin.h, row.sin.l, row.cos.h, row.cos.l};
    EXPECT_SAME_BITS(kSinCosTable[i], expected) << "row " << i;
  }
}

TEST(MathTables, HoldTheDigitsOfTwoOverPiThatEveryAngleNeeds) {
  std::mt19937_64 random(7);
  for (int exponent = 0; exponent <= 1023; ++exponent) {
    const double fraction = static_cast<double>(random() >> 11) * 0x1p-53;
    const double a = std::ldexp(1 + fraction, exponent);
    const ReducedAngle angle = reduce_large_angle(a);
    const scalar::Reduced expected = scalar::reduce_exactly(a);
    EXPECT_EQ(angle.quadrant, static_cast<std::uint64_t>(expected.quadrant % 4)) << a;
    EXPECT_EQ(angle.hi, expected.r.h) << a;
    EXPECT_EQ(angle.lo, expected.r.l) << a;
  }
}

}  // namespace
}  // namespace palinode::kernels
