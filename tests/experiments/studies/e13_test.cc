// E13: training played backwards.
#include <gtest/gtest.h>

#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome = small_run("E13", {"steps=[5, 100]", "iterations=5"});
  return kOutcome;
}

double at(const char* series, const char* quantity, double steps) {
  return value_at(outcome(), series, quantity, steps).value();
}

TEST(E13, WithTheLostBitsEveryStepComesBackToTheLastBit) {
  for (const char* series : {"momentum f32 lost-bits", "adam f32 lost-bits"}) {
    for (const double steps : {5.0, 100.0}) {
      EXPECT_EQ(at(series, "exact", steps), 1) << series;
      EXPECT_EQ(at(series, "rf", steps), 1) << series;
    }
    EXPECT_GT(at(series, "lost-bits", 100), 0.1);
    EXPECT_LT(at(series, "lost-bits", 100), 0.16);  // log2(10 / 9) = 0.152, and Adam's 0.154
  }
  EXPECT_EQ(find_study("E13").fault(outcome().rows, outcome().points), "");
}

TEST(E13, WithoutThemNoReplayIsExact) {
  for (const char* optimizer : {"sgd", "momentum", "adam"}) {
    for (const char* type : {" f32", " f64"}) {
      const std::string series = std::string(optimizer) + type;
      EXPECT_EQ(at(series.c_str(), "exact", 100), 0) << series;
      EXPECT_GT(at(series.c_str(), "words-changed-share", 100), 0.5) << series;
    }
  }
  EXPECT_GT(at("momentum f32", "rf", 5), 1 - 1e-6);
  EXPECT_EQ(at("momentum f32", "passes", 5), 5);
  EXPECT_EQ(at("momentum f32", "bits-kept", 5), 32.0 / 5);  // the velocity
}

TEST(E13, AdamsReplayReachesFurtherInF64) {
  EXPECT_GT(at("adam f64", "rf", 100), 0.999);
  EXPECT_LT(at("adam f32", "rf", 100), at("adam f64", "rf", 100));
}

TEST(E13, ALostBitsReplayThatMissesAWordIsAFault) {
  std::vector<Point> points = outcome().points;
  for (Point& point : points) {
    if (point.series == "adam f32 lost-bits" && point.quantity == "exact") point.value = 0;
  }
  EXPECT_EQ(find_study("E13").fault({}, points),
            "E13 adam f32 lost-bits seed 1: words differ after 5 steps were taken back");
}

}  // namespace
}  // namespace palinode::experiments
