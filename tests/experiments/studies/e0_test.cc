// E0: nothing is at distance nothing, on every kind of model, and one last bit is not nothing.
#include <string>

#include "tests/experiments/studies/small_cell.h"

namespace palinode::experiments {
namespace {

class Null : public testing::TestWithParam<const char*> {};

// An MLP, convolutions, BatchNorm, and a language model whose outputs are a row for each token.
INSTANTIATE_TEST_SUITE_P(Models, Null,
                         testing::Values("digits-mlp", "digits-bn", "digits-bn-mlp", "tied-gpt"),
                         [](const auto& each) {
                           std::string name = each.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST_P(Null, IsExactInAnyBatchAndUnderAFreshAdapter) {
  const Outcome outcome = run_small("E0", GetParam(), 1);
  std::size_t nulls = 0, leaks = 0;
  for (const Row& row : outcome.rows) {
    if (row.mechanism == "planted-leak") {
      ++leaks;
      EXPECT_EQ(row.words_changed, 1U) << row.alpha.value_or(0);
      EXPECT_GT(row.kl_adapt, 0) << row.alpha.value_or(0);
      continue;
    }
    ++nulls;
    EXPECT_EQ(row.locus, row.mechanism == "fresh-adapter" ? "phi" : "theta");
    EXPECT_EQ(row.words_changed, 0U) << row.mechanism;
    EXPECT_EQ(row.kl_adapt, 0) << row.mechanism;
    EXPECT_EQ(row.js_adapt, 0) << row.mechanism;
    EXPECT_TRUE(row.logits_bit_equal) << row.mechanism;
  }
  EXPECT_EQ(nulls, 4U);
  EXPECT_EQ(leaks, 3U);
  EXPECT_EQ(find_study("E0").fault(outcome.rows, outcome.points), "");
}

TEST(NullFault, ADistanceOfAFreshAdapterIsAFault) {
  Outcome outcome = run_small("E0", "digits-mlp", 1);
  for (Row& row : outcome.rows) {
    if (row.mechanism == "fresh-adapter") row.kl_adapt = 0x1p-60;
  }
  EXPECT_NE(find_study("E0").fault(outcome.rows, outcome.points), "");
}

}  // namespace
}  // namespace palinode::experiments
