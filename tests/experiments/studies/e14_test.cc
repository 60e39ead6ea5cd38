// E14: what comes back for what is kept.
#include <gtest/gtest.h>

#include <stdexcept>

#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_run.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome =
      small_run("E14", {R"(arms=["R0", "R1", "R2", "R3", "R4-int8", "R6-short"])",
                        "budgets=[0, 0.1, 0.5, 1, 1000]"});
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

const Row& own(const char* mechanism, const char* rollback, const char* variant = "") {
  const Row* row = row_of(outcome(), mechanism, rollback, std::nullopt, variant);
  if (row == nullptr) throw std::runtime_error(std::string("no row of ") + rollback);
  return *row;
}

TEST(E14, ArmsOfAnAdaptationOfTheirOwnFollowThatAdaptationAtTheSameScore) {
  for (const Row* row :
       {&own("sgd", "R9"), &own("momentum", "R10"), &own("reversible-momentum", "R10", "lost-bits"),
        &own("reversible-adam", "R11", "lost-bits"), &own("adam-l2-sp", "R13", "l2-sp"),
        &own("merged-lora", "R14", "full"), &own("merged-lora", "R15")}) {
    EXPECT_TRUE(row->score_reached) << row->mechanism;
    EXPECT_GT(row->steps, 0U) << row->mechanism;
    EXPECT_GT(row->task_metric_adapt, row->task_metric_base + 0.3) << row->mechanism;
  }
  EXPECT_EQ(own("momentum", "R10").bytes_kept, own("momentum", "R10").bytes_snapshot);
  EXPECT_EQ(own("reversible-momentum", "R10", "lost-bits").words_changed, 0U);
  EXPECT_EQ(own("merged-lora", "R15").bytes_kept, 3 * own("merged-lora", "R15").bytes_snapshot);
  EXPECT_LT(own("merged-lora", "R14", "full").bytes_kept,
            own("merged-lora", "R14", "full").bytes_snapshot);
  EXPECT_EQ(own("merged-lora", "R14", "full").kl_adapt, own("merged-lora", "R15").kl_adapt);
  EXPECT_GT(of("R14 full", "left"), 0);
  EXPECT_LT(of("R14 full", "left"), 1e-9);
}

TEST(E14, AnAnchorLeavesAllOfASmallerLoss) {
  EXPECT_EQ(of("R13 l2-sp", "left"), 1);
  EXPECT_LT(of("R13 l2-sp", "d-adapt"), of("R0", "d-adapt"));
  EXPECT_EQ(of("R13 l2-sp", "d-adapt"), own("adam-l2-sp", "R13", "l2-sp").kl_adapt);
}

// Its seed undoes noise for eight bytes, which would beat nearly all that undo something learned.
TEST(E14, NoiseLearnsNothingAndIsOnNoFront) {
  EXPECT_EQ(own("noise", "R12").bytes_kept, 8U);
  EXPECT_LT(of("R12", "left"), 1e-6);
  EXPECT_EQ(value_at(outcome(), "R12", "on-front", 0), std::nullopt);
  // A tenth of a snapshot has room for R12, and the best of the others is worse than that.
  EXPECT_LT(of("theta", "rf", 0.1), 1 - of("R12", "left"));
}

TEST(E14, AnArmThatIsNotThereIsRefused) {
  EXPECT_MESSAGE(small_run("E14", {R"(arms=["R0"])", R"(own_arms=["R99"])"}), UsageError,
                 "E14: no arm \"R99\" of its own adaptation; there are R9, R10, R10-lost-bits, "
                 "R11-lost-bits, R12, R13, R14, R15");
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
