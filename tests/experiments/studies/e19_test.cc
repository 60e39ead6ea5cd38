// E19: adaptation under an anchor.
#include <gtest/gtest.h>

#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome =
      small_run("E19", {"l2_sp=[0.01, 1]", "ewc=[1000]", "steps=100", "examples=50"});
  return kOutcome;
}

double at(const char* series, const char* quantity, double lambda) {
  return value_at(outcome(), series, quantity, lambda).value();
}

TEST(E19, AStrongerAnchorHoldsThetaNearerAndLearnsLess) {
  for (const char* quantity : {"distance", "d-adapt", "score"}) {
    EXPECT_LT(at("l2-sp", quantity, 1), at("l2-sp", quantity, 0.01)) << quantity;
    EXPECT_LT(at("l2-sp", quantity, 1), at("free", quantity, 0)) << quantity;
  }
  EXPECT_LT(at("ewc", "d-adapt", 1000), at("free", "d-adapt", 0));
}

TEST(E19, AnAnchorIsNoRollback) {
  const Row* row = row_of(outcome(), "adam-l2-sp", "R13", 1.0, "l2-sp");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->rf.value, 0);
  EXPECT_EQ(row->bytes_kept, row->bytes_snapshot);
  const Row* weighted = row_of(outcome(), "adam-ewc", "R13", 1000.0, "ewc");
  ASSERT_NE(weighted, nullptr);
  EXPECT_EQ(weighted->bytes_kept, 2 * weighted->bytes_snapshot);
  const Row* back = row_of(outcome(), "adam-l2-sp", "R6", 1.0, "200-steps");
  ASSERT_NE(back, nullptr);
  EXPECT_GT(back->words_changed, 0U);
}

}  // namespace
}  // namespace palinode::experiments
