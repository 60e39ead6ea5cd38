// E6: one of several behaviors is taken out.
#include <gtest/gtest.h>

#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_run.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome = small_run("E6", {"tasks=[1, 3]", "all_orders=1"});
  return kOutcome;
}

double at(const char* series, const char* quantity, double where) {
  return value_at(outcome(), series, quantity, where).value();
}

TEST(E6, AUnitThatGoesTouchesNoOther) {
  for (const double tasks : {1.0, 3.0}) {
    EXPECT_EQ(at("phi unload", "equal-share", tasks), 1);
    EXPECT_EQ(at("phi unload", "rf-identity", tasks), 1);
  }
  EXPECT_EQ(find_study("E6").fault(outcome().rows, outcome().points), "");
  EXPECT_EQ(unload_fault(outcome().rows), "");
}

TEST(E6, OnlyTheLastTaskCanBeSubtractedFromTheta) {
  EXPECT_GT(at("theta subtract", "rf-remaining", 0), 1 - 1e-9);  // none was learned later
  EXPECT_LT(at("theta subtract", "rf-remaining", 2), 0.9);       // two were
  EXPECT_EQ(at("theta subtract", "equal-share", 3), 0);
}

TEST(E6, SubtractingAllOfThemBringsTheFunctionBackAndNotTheBits) {
  const Row* row = row_of(outcome(), "sequence-of-3", "R3");
  ASSERT_NE(row, nullptr);
  EXPECT_GT(row->rf.value, 1 - 1e-9);
  EXPECT_GT(row->words_changed, 0U);
  const Row* unloaded = row_of(outcome(), "sequence-of-3", "R17");
  ASSERT_NE(unloaded, nullptr);
  EXPECT_GT(unloaded->kl_adapt, 0);
  EXPECT_EQ(unloaded->words_changed, 0U);
  EXPECT_TRUE(unloaded->logits_bit_equal);
}

TEST(E6, LaterTasksCostTheEarlierOnes) {
  EXPECT_LT(at("theta", "backward-transfer", 3), 0);
  EXPECT_GT(at("theta", "forgetting", 3), 0);
}

TEST(E6, AUnitThatChangesAnotherIsAFault) {
  std::vector<Point> points = outcome().points;
  for (Point& point : points) {
    if (point.series == "phi unload" && point.at == 3) point.value = 0.5;
  }
  EXPECT_EQ(find_study("E6").fault({}, points),
            "E6 seed 1: of 3 units one that was removed changed another");
}

TEST(E6, ThereAreFiveTasks) {
  EXPECT_MESSAGE(small_run("E6", {"tasks=6"}), UsageError, "E6: tasks has 6, 1 to 5 are there");
}

}  // namespace
}  // namespace palinode::experiments
