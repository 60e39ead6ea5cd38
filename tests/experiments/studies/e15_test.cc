// E15: theta from models that were merged from it.
#include <gtest/gtest.h>

#include "tests/experiments/studies/small_run.h"

namespace palinode::experiments {
namespace {

const Outcome& outcome() {
  static const Outcome kOutcome =
      small_run("E15", {"siblings=[1, 4]", "ranks=[2]", "iterations=20"}, 1, "digits-mlp2-32");
  return kOutcome;
}

double at(const char* quantity, double siblings) {
  return value_at(outcome(), "rank 2", quantity, siblings).value();
}

TEST(E15, OneModelAloneTellsNothingAndSeveralGiveTheFunctionBack) {
  EXPECT_EQ(at("rf", 1), 0);
  EXPECT_GT(at("rf", 4), 0.9);
  EXPECT_LT(at("distance", 4), at("distance", 1) / 5);
}

TEST(E15, TheBitsStayGone) {
  EXPECT_GT(at("words-changed-share", 4), 0.5);
  for (const Row& row : outcome().rows) EXPECT_FALSE(row.logits_bit_equal);
}

TEST(E15, KeepsTheOtherModelsAndNoCopyOfTheta) {
  const Row* row = row_of(outcome(), "merge-rank-2", "R15", std::nullopt, "4-models");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->bytes_kept, 3 * row->bytes_snapshot);
  EXPECT_GT(row->kl_adapt, 0.1);
}

}  // namespace
}  // namespace palinode::experiments
