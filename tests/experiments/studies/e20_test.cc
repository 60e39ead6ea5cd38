// E20: learning again what was taken back.
#include <gtest/gtest.h>

#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome = small_run("E20", {"check_every=20"});
  return kOutcome;
}

double of(const char* series, const char* quantity) {
  return value_at(outcome(), series, quantity, 0).value();
}

TEST(E20, ADestroyedBehaviorIsLearnedAgainAsIfItHadNeverBeen) {
  for (const char* series : {"phi R17", "theta R1"}) {
    EXPECT_EQ(of(series, "relearning-steps"), of(series, "fresh-steps")) << series;
    EXPECT_EQ(of(series, "bits-equal"), 1) << series;
    EXPECT_GT(of(series, "fresh-steps"), 40) << series;
  }
  EXPECT_EQ(find_study("E20").fault(outcome().rows, outcome().points), "");
}

TEST(E20, WhatWasFineTunedBackIsLearnedAgainInFewerSteps) {
  EXPECT_LT(of("theta R6", "steps-ratio"), 0.7);
  EXPECT_EQ(of("theta R6", "bits-equal"), 0);
  EXPECT_EQ(of("theta R0", "relearning-steps"), 0);  // nothing was taken back
}

TEST(E20, OtherBitsAfterAnExactRollbackAreAFault) {
  std::vector<Point> points = outcome().points;
  for (Point& point : points) {
    if (point.series == "phi R17" && point.quantity == "bits-equal") point.value = 0;
  }
  EXPECT_EQ(find_study("E20").fault({}, points),
            "E20 phi R17 seed 1: learning again gave other bits than at first");
}

}  // namespace
}  // namespace palinode::experiments
