// E2: where the divergence of a pruned behavior ends.
#include "tests/experiments/studies/small_cell.h"

namespace palinode::experiments {
namespace {

const Outcome& swept() {
  static const Outcome kOutcome =
      run_small("E2", "digits-mlp", 1, {"rates=[2e-4, 1e-3]", "steps=[40]"});
  return kOutcome;
}

TEST(Elimination, PruningBothFactorsTogetherEndsWhereAllOfBIsGone) {
  for (const double rate : {2e-4, 1e-3}) {
    const double first = value_of(swept(), "global, steps 40", "first-zero", rate);
    const double dead = value_of(swept(), "dead, steps 40", "first-zero", rate);
    EXPECT_GE(first, dead - 0.05);  // where all of B is gone there is nothing left,
    EXPECT_LE(first, dead + 0.05);  // and it is seen at the next eps
  }
}

TEST(Elimination, TheThresholdMovesWithTheRate) {
  EXPECT_GT(value_of(swept(), "global, steps 40", "first-zero", 1e-3),
            value_of(swept(), "global, steps 40", "first-zero", 2e-4) + 0.1);
}

TEST(Elimination, PruningTensorByTensorHasNoThreshold) {
  for (const double rate : {2e-4, 1e-3}) {
    EXPECT_GE(value_of(swept(), "per tensor, steps 40", "first-zero", rate), 0.95);
    EXPECT_GE(value_of(swept(), "rank, steps 40", "first-zero", rate), 0.9);
  }
}

// Of the 1,616 elements of this LoRA 592 are in B. Both layers have 64 inputs, so A starts inside
// (-1/8, 1/8).
TEST(Elimination, TheThresholdPredictedIsTheFormulas) {
  const double f_b = 592.0 / 1616;
  EXPECT_DOUBLE_EQ(value_of(swept(), "predicted, steps 40", "first-zero", 2e-4),
                   f_b + (1 - f_b) * (40 * 2e-4 * 8));
}

TEST(Elimination, NothingPrunedIsTheBehaviorAndAllPrunedIsTheIdentity) {
  for (const char* rule : {"global", "per tensor", "rank"}) {
    const std::string series = std::string(rule) + ", rate 0.001, steps 40";
    EXPECT_EQ(value_of(swept(), series, "kl", 0),
              value_of(swept(), "global, rate 0.001, steps 40", "kl", 0));
    EXPECT_GT(value_of(swept(), series, "kl", 0), 0);
    EXPECT_EQ(value_of(swept(), series, "kl", 1), 0);
  }
}

TEST(Elimination, JsStandsBesideKlAndIsNeverAboveLn2) {
  for (const char* rule : {"global", "per tensor", "rank"}) {
    const std::string series = std::string(rule) + ", rate 0.001, steps 40";
    for (const double eps : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
      const double js = value_of(swept(), series, "js", eps),
                   kl = value_of(swept(), series, "kl", eps);
      EXPECT_EQ(js == 0, kl == 0) << series << " " << eps;
      EXPECT_GE(js, 0);
      EXPECT_LT(js, std::log(2.0));
    }
    EXPECT_NE(value_of(swept(), series, "js", 0), value_of(swept(), series, "kl", 0));
  }
}

TEST(Elimination, WhatIsLeftWithEverythingPrunedIsAFault) {
  const Study& study = find_study("E2");
  Outcome outcome = swept();
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "");
  for (Point& p : outcome.points) {
    if (p.series == "rank, rate 0.001, steps 40" && p.quantity == "kl" && p.at == 1) p.value = 1e-9;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points),
            "E2 rank, rate 0.001, steps 40 seed 1: KL 1e-09 with nothing left");
  outcome = swept();
  for (Point& p : outcome.points) {
    if (p.series == "rank, rate 0.001, steps 40" && p.quantity == "js" && p.at == 1) p.value = 1e-9;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points),
            "E2 rank, rate 0.001, steps 40 seed 1: JS 1e-09 with nothing left");
}

}  // namespace
}  // namespace palinode::experiments
