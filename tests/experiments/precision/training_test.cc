// What rounding alone does to a training.
#include "experiments/precision/training.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tensor/gemm.h"

namespace palinode::experiments::precision {
namespace {

const RoundingConfig kShort = {.steps = {1, 40}, .seeds = 1};

const std::vector<RoundingPoint>& points() {
  static const std::vector<RoundingPoint> kPoints = measure_rounding(kShort);
  return kPoints;
}

const RoundingPoint& at(std::string_view arithmetic, std::uint64_t step) {
  for (const RoundingPoint& point : points()) {
    if (point.arithmetic == arithmetic && point.step == step) return point;
  }
  throw std::out_of_range(std::string(arithmetic));
}

TEST(RoundingOfATraining, TheCanonicalRunIsAtNoDistanceFromItself) {
  for (const std::uint64_t step : kShort.steps) {
    EXPECT_EQ(at("canonical", step).words_changed, 0);
    EXPECT_EQ(at("canonical", step).distance, 0);
    EXPECT_EQ(at("canonical", step).kl, 0);
    EXPECT_EQ(at("canonical", step).recoverability, 1);
  }
}

TEST(RoundingOfATraining, CompensationHasNothingToAddBeforeTheSecondStep) {
  EXPECT_EQ(at("kahan", 1).words_changed, 0);
  EXPECT_GT(at("kahan", 40).words_changed, 0);
}

TEST(RoundingOfATraining, FewerBitsGoFurther) {
  EXPECT_GT(at("fast", 40).distance, 0);
  EXPECT_GT(at("f64", 40).distance, 0);
  EXPECT_GT(at("f16", 40).distance, 100 * at("f64", 40).distance);
  EXPECT_GT(at("bf16", 40).distance, 2 * at("f16", 40).distance);
  EXPECT_LT(at("bf16", 40).recoverability, at("f16", 40).recoverability);
}

TEST(RoundingOfATraining, EveryArithmeticLearns) {
  for (const std::string_view arithmetic : rounding_arithmetics()) {
    EXPECT_LT(at(arithmetic, 40).loss, at(arithmetic, 1).loss) << arithmetic;
  }
}

TEST(RoundingOfATraining, LeavesTheMatrixProductAsItWas) {
  points();
  EXPECT_EQ(active_gemm(), Gemm::kCanonical);
}

TEST(RoundingOfATraining, NamesTheFirstStepBelowALevel) {
  std::vector<RoundingPoint> bent = points();
  for (RoundingPoint& point : bent) {
    if (point.arithmetic == "bf16" && point.step == 40) point.recoverability = 0.95;
  }
  for (const auto& limit : rounding_json(kShort, bent).at("limits")) {
    if (limit.at("arithmetic") != "bf16") continue;
    EXPECT_EQ(limit.at("0.999"), 40);
    EXPECT_TRUE(limit.at("0.9").is_null());
  }
}

}  // namespace
}  // namespace palinode::experiments::precision
