// E14: what comes back for what is kept.
#include <gtest/gtest.h>

#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome = small_run(
      "E14",
      {R"(arms=["R0", "R1", "R2", "R3", "R4-int8", "R6-short"])", "budgets=[0, 0.5, 1, 1000]"});
  return kOutcome;
}

double of(const char* series, const char* quantity, double at = 0) {
  return value_at(outcome(), series, quantity, at).value();
}

TEST(E14, WhatKeepsMoreBringsNoLessBack) {
  double before = -1;
  for (const double budget : {0.0, 0.5, 1.0, 1000.0}) {
    const double rf = of("theta", "rf", budget);
    EXPECT_GE(rf, before) << budget;
    before = rf;
  }
  EXPECT_GT(of("theta", "rf", 0), 0.5);  // R6, of which nothing is kept
  EXPECT_LT(of("theta", "rf", 0), 1);
  EXPECT_GT(of("theta", "rf", 0.5), of("theta", "rf", 0));  // R4
  EXPECT_EQ(of("theta", "rf", 1), 1);
  EXPECT_EQ(of("phi", "rf", 0), 1);
}

TEST(E14, AnArmThatLeavesLessForNoMoreBeatsAnother) {
  EXPECT_EQ(of("R0", "on-front"), 1);  // nobody keeps and does less
  EXPECT_EQ(of("R1", "on-front"), 1);
  EXPECT_EQ(of("R2", "on-front"), 0);  // as exact as a snapshot, for more bytes
  EXPECT_EQ(of("R3", "on-front"), 0);  // as many bytes, and not exact
  EXPECT_GT(of("R2", "bytes-share"), 1);
  EXPECT_EQ(of("R1", "bytes-share"), 1);
  EXPECT_EQ(of("R1", "left"), 0);
}

TEST(E14, TheLostBitsAreExactAndTheirPriceIsSaid) {
  const Row* row = row_of(outcome(), "reversible-adam", "R11", std::nullopt, "lost-bits");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->words_changed, 0U);
  EXPECT_EQ(row->passes, row->steps);
  EXPECT_GT(row->bytes_kept, 10 * row->bytes_snapshot);
  EXPECT_TRUE(row->score_reached);
}

}  // namespace
}  // namespace palinode::experiments
