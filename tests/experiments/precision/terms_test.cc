// Sums, dot products and bf16 pairs: their inputs and their truth against MPFR.
#include <gtest/gtest.h>

#include <cmath>

#include "experiments/precision/families.h"
#include "experiments/precision/half.h"
#include "experiments/precision/products.h"
#include "experiments/precision/reductions.h"
#include "experiments/precision/sums.h"
#include "tests/experiments/precision/library.h"

namespace palinode::experiments::precision {
namespace {

TEST(Families, HaveTheConditionTheyAreNamedAfter) {
  for (const Family& family : families()) {
    if (family.spread != Spread::kCondition) continue;
    std::vector<float> a(1000), b(1000);
    draw_dot(family, Rng(3).stream(family.name), a, b);
    const TermTruth dot = dot_truth(a, b);
    const double found = std::log10(dot.size / std::abs(dot.total.value()));
    EXPECT_NEAR(found, std::log10(family.condition), 0.5) << family.name;
    draw_sum(family, Rng(3).stream(family.name), a);
    const TermTruth sum = sum_truth(a);
    EXPECT_NEAR(std::log10(sum.size / std::abs(sum.total.value())), std::log10(family.condition), 3)
        << family.name;
  }
}

TEST(Families, TruthIsMpfrs) {
  for (const Family& family : families()) {
    std::vector<float> a(1000), b(1000);
    draw_dot(family, Rng(4).stream(family.name), a, b);
    const TermTruth truth = dot_truth(a, b);
    const double exact = exact_dot(a, b);
    EXPECT_LE(std::abs(truth.total.minus(exact)), std::abs(exact) * 0x1p-52 + truth.size * 0x1p-90)
        << family.name;
  }
}

const nlohmann::ordered_json& named(const nlohmann::ordered_json& list, const std::string& name) {
  for (const auto& each : list) {
    if (each.at("name") == name) return each;
  }
  throw std::out_of_range(name);
}

constexpr ReductionOptions kFew{.length = 4096, .trials = 20};

TEST(Sums, OursHasTheBitsOfItsDefinitionAndAReorderedOneHasNot) {
  const OwnKernel own = load_own_kernel(
      "sum=" + built("tests/experiments/precision/planted.c", "planted.so") + ":planted_sum", {},
      false);
  const auto json = measure_sum(std::span(&own, 1), kFew);
  EXPECT_EQ(named(json.at("contenders"), "lanes-64, scalar").at("same_bits_as"), "Palinode");
  EXPECT_TRUE(named(json.at("contenders"), "planted.so:planted_sum").at("same_bits_as").is_null());
}

TEST(Sums, AlgorithmsKeepTheirBoundsAndTheirOrder) {
  const auto json = measure_sum({}, kFew);
  for (const auto& family : json.at("families")) {
    for (const auto& each : family.at("contenders")) {
      EXPECT_LE(each.at("backward").at("max").get<double>(), each.at("bound").get<double>())
          << family.at("name") << each.at("name");
    }
  }
  const auto& positive = named(json.at("families"), "positive").at("contenders");
  const auto rms = [&](const char* name) {
    return named(positive, name).at("backward").at("rms").get<double>();
  };
  EXPECT_LT(rms("Kahan"), rms("Palinode"));
  EXPECT_LT(rms("Palinode"), rms("naive"));
  EXPECT_GT(rms("bf16 inputs, f64"), 10 * rms("naive"));
}

TEST(Dots, KeepTheirBounds) {
  const auto json = measure_dot({}, kFew);
  for (const auto& family : json.at("families")) {
    for (const auto& each : family.at("contenders")) {
      EXPECT_LE(each.at("backward").at("max").get<double>(), each.at("bound").get<double>())
          << family.at("name") << each.at("name");
    }
  }
  for (const auto& identity : json.at("identity")) EXPECT_TRUE(identity.at("same_bits"));
}

TEST(Products, KeepTheirBounds) {
  const auto json = measure_product(128, {});
  for (const auto& family : json.at("families")) {
    EXPECT_LT(family.at("truth_error").get<double>(), 128 * 0x1p-53);
    for (const auto& each : family.at("contenders")) {
      EXPECT_LE(each.at("backward").at("max").get<double>(), each.at("bound").get<double>())
          << family.at("name") << each.at("name");
    }
  }
}

TEST(Bf16Pairs, HaveMpfrsTruth) {
  const Rng rng = Rng(5).stream("pairs");
  for (const char* operation : {"add", "sub", "mul", "div"}) {
    for (std::uint64_t i = 0; i < 4000; ++i) {
      const std::uint32_t word = rng.word(i);
      const auto a = static_cast<std::uint16_t>(word), b = static_cast<std::uint16_t>(word >> 16);
      EXPECT_EQ(nearest_bf16(operation, a, b), exact_bf16(operation, a, b))
          << operation << " " << a << " " << b;
    }
  }
}

// A rounding to f32 and another to bf16 are one where results are normal; among subnormal ones the
// f32 result has too few bits left for that.
TEST(Bf16Pairs, TruthIsRoundedOnce) {
  // 2^-126 * (1 + 2^-7) times 2^-7 (1 + 2^-6) has bits below 2^-149.
  EXPECT_EQ(nearest_bf16("mul", 0x0081, 0x3c02), exact_bf16("mul", 0x0081, 0x3c02));
}

}  // namespace
}  // namespace palinode::experiments::precision
