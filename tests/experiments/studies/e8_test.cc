// E8: W + BA - BA.
#include <gtest/gtest.h>

#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome = small_run("E8", {"cycles=[1, 30]", "ratios=[0.0001, 10]"});
  return kOutcome;
}

double at(const std::string& series, const char* quantity, double cycles) {
  return value_at(outcome(), series, quantity, cycles).value();
}

TEST(E8, SubtractingIsNoInverseInAnyType) {
  for (const std::string type : {"f32", "bf16", "f16"}) {
    for (const char* way : {" as-peft", " symmetric"}) {
      EXPECT_GT(at(type + way, "words-changed-share", 1), 0.02) << type << way;
      EXPECT_LT(at(type + way, "words-changed-share", 1), 0.5) << type << way;
    }
  }
  EXPECT_GT(at("f32 symmetric", "rf", 1), 1 - 1e-9);  // and yet the function is back
}

TEST(E8, OneRoundingOnlyDriftsInSixteenBitsAndBothAlikeDoNot) {
  for (const std::string type : {"bf16", "f16"}) {
    EXPECT_GT(at(type + " as-peft", "drift", 30), 1.2 * at(type + " as-peft", "drift", 1));
    EXPECT_LE(at(type + " symmetric", "drift", 30), 1.01 * at(type + " symmetric", "drift", 1));
  }
}

TEST(E8, TheExclusiveOrIsExactHoweverLargeTheDelta) {
  for (const std::string type : {"f32", "bf16", "f16"}) {
    for (const double where : {1.0, 30.0, 0.0001, 10.0}) {
      EXPECT_EQ(at(type + " xor", "words-changed-share", where), 0) << type << where;
      EXPECT_EQ(at(type + " xor", "drift", where), 0) << type << where;
    }
  }
  EXPECT_EQ(find_study("E8").fault(outcome().rows, outcome().points), "");
}

TEST(E8, AWordTheExclusiveOrMissesIsAFault) {
  std::vector<Point> points = outcome().points;
  for (Point& point : points) {
    if (point.series == "bf16 xor" && point.variable == "ratio") point.value = 1;
  }
  EXPECT_EQ(find_study("E8").fault({}, points), "E8 bf16 xor seed 1: words differ at ratio 0.0001");
}

TEST(E8, ALargerDeltaCoversMoreOfTheWeights) {
  EXPECT_LT(at("f32 symmetric", "words-changed-share", 0.0001),
            at("f32 symmetric", "words-changed-share", 10));
  EXPECT_LT(at("bf16 symmetric", "kl", 0.0001), at("bf16 symmetric", "kl", 10));
}

}  // namespace
}  // namespace palinode::experiments
