// The laboratory's truth: the fast path against MPFR, and the points where there is nothing to
// round.
#include "experiments/precision/reference.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "experiments/precision/judge.h"
#include "tensor/error.h"

namespace palinode::experiments::precision {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class EveryReference : public testing::TestWithParam<const Reference*> {};

TEST_P(EveryReference, AgreesWithMpfrOnRandomInputs) {
  const Reference& reference = *GetParam();
  const SelfCheck check = self_check(reference, 1000, Rng(7).stream(reference.name));
  EXPECT_EQ(check.disagreements, 0U);
  EXPECT_LT(check.max_ulp, static_cast<double>(reference.margin) / 4);
  EXPECT_GT(check.max_ulp, 0);
}

// With a margin of 2^25 ULPs an eighth of all results are next to a midpoint, and MPFR's.
TEST_P(EveryReference, DecidesTheSameWithMoreLeftToMpfr) {
  Reference wide = *GetParam();
  const Rng rng = Rng(8).stream(wide.name);
  Truth fast;
  for (std::uint64_t i = 0; i < 8000; ++i) fast.x.push_back(std::bit_cast<float>(rng.word(i)));
  Truth slow = fast;
  settle(wide, fast);
  wide.margin = 1U << 25;
  settle(wide, slow);
  EXPECT_GT(slow.decided, fast.decided + 20);
  for (std::size_t i = 0; i < fast.x.size(); ++i) {
    if (std::isnan(fast.nearest[i]) && std::isnan(slow.nearest[i])) continue;
    EXPECT_EQ(fast.nearest[i], slow.nearest[i]) << fast.x[i];
  }
}

std::vector<const Reference*> all() {
  std::vector<const Reference*> list;
  for (const Reference& reference : references()) list.push_back(&reference);
  return list;
}

INSTANTIATE_TEST_SUITE_P(All, EveryReference, testing::ValuesIn(all()),
                         [](const auto& info) { return std::string(info.param->name); });

float value(const char* name, float x) { return nearest_f32(reference_named(name), x); }

TEST(Reference, HasLimitsAtTheInfinities) {
  EXPECT_EQ(value("exp", kInfinity), kInfinity);
  EXPECT_EQ(value("exp", -kInfinity), 0);
  EXPECT_EQ(value("tanh", -kInfinity), -1);
  EXPECT_EQ(value("sigmoid", kInfinity), 1);
  EXPECT_EQ(value("erf_slope", -kInfinity), 0);
  for (const char* name : {"gelu", "gelu_tanh", "silu", "gelu_slope", "gelu_tanh_slope"}) {
    EXPECT_EQ(value(name, -kInfinity), 0) << name;
    EXPECT_TRUE(std::signbit(value(name, -kInfinity))) << name;
  }
  EXPECT_TRUE(std::isnan(value("sin", kInfinity)));
}

TEST(Reference, HasPolesWithTheirSigns) {
  EXPECT_EQ(value("log", 0.0F), -kInfinity);
  EXPECT_EQ(value("log", -0.0F), -kInfinity);
  EXPECT_EQ(value("rsqrt", 0.0F), kInfinity);
  EXPECT_EQ(value("rsqrt", -0.0F), -kInfinity);
  EXPECT_EQ(value("atanh", 1.0F), kInfinity);
  EXPECT_TRUE(std::isnan(value("log", -1.0F)));
  EXPECT_TRUE(std::signbit(value("tanh", -0.0F)));
}

// gelu(x) = x/2 + 0.4 x^2: half of an odd multiple of the least number is a tie but for that.
TEST(Reference, RoundsGeluNextToZeroUpwards) {
  const float least = std::numeric_limits<float>::denorm_min();
  for (const char* name : {"gelu", "gelu_tanh", "silu"}) {
    Truth truth;
    truth.x = {3 * least, -3 * least};
    settle(reference_named(name), truth);
    EXPECT_EQ(truth.nearest[0], 2 * least) << name;
    EXPECT_EQ(truth.nearest[1], -least) << name;
    EXPECT_EQ(value(name, 3 * least), 2 * least) << name;
  }
}

TEST(Reference, NamesAllItKnows) {
  EXPECT_THROW(reference_named("exq"), NameError);
  try {
    reference_named("exq");
  } catch (const NameError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("unknown function \"exq\"; there are exp,"));
  }
}

TEST(Ulp, IsThatOfTheExactValue) {
  EXPECT_EQ(ulp_error_f32(1.0F, 1.0 + 0x1p-24), 0.5);
  EXPECT_EQ(ulp_error_f32(2.0F, 2.0 - 0x1p-24), 0.5);  // below 2 the ULP is half as large
  EXPECT_EQ(ulp_error_f32(0.0F, 0x1p-149), 1.0);
  EXPECT_EQ(ulp_error_f32(kInfinity, 0x1p200), 0.0);
  EXPECT_EQ(ulp_error_f32(std::numeric_limits<float>::max(), 0x1p200), 1.0);
  EXPECT_EQ(ulp_error_f32(kInfinity, 1.0), std::ldexp(1, 151) - std::ldexp(1, 23));
  EXPECT_TRUE(std::isinf(ulp_error_f32(std::nanf(""), 1.0)));
}

}  // namespace
}  // namespace palinode::experiments::precision
