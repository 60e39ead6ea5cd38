#include "rbl/diagnostics/forgetting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

ScoreMatrix matrix(const std::vector<std::vector<double>>& rows) {
  ScoreMatrix scores(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows.size(); ++j) scores.record(i, j, rows[i][j]);
  }
  return scores;
}

TEST(Forgetting, OfAHandComputedMatrix) {
  // Task 0 is learned to 0.9, kept at 0.8, and ends at 0.5; task 1 goes from 0.7 to 0.75.
  const Forgetting found = forgetting(matrix({{0.9, 0.3, 0.2}, {0.8, 0.7, 0.4}, {0.5, 0.75, 0.6}}));
  EXPECT_NEAR(found.average, (0.5 + 0.75 + 0.6) / 3, 1e-15);
  EXPECT_NEAR(found.backward_transfer, ((0.5 - 0.9) + (0.75 - 0.7)) / 2, 1e-15);
  ASSERT_EQ(found.per_task.size(), 2U);
  EXPECT_NEAR(found.per_task[0], 0.4, 1e-15);
  EXPECT_NEAR(found.per_task[1], -0.05, 1e-15);
  EXPECT_NEAR(found.forgetting, 0.175, 1e-15);
}

TEST(Forgetting, CountsFromTheBestScoreOnTheWay) {
  const Forgetting found = forgetting(matrix({{0.6, 0, 0}, {0.9, 0.5, 0}, {0.6, 0.5, 0.5}}));
  EXPECT_NEAR(found.per_task[0], 0.3, 1e-15);
  EXPECT_EQ(found.backward_transfer, 0);
}

TEST(Forgetting, CountsNoScoreFromBeforeTheTaskWasLearned) {
  EXPECT_EQ(forgetting(matrix({{1, 0.8}, {1, 0.5}})).forgetting, 0);
}

TEST(ForwardTransfer, IsWhatEarlierTasksGave) {
  ScoreMatrix scores = matrix({{0.9, 0.3, 0.2}, {0.8, 0.7, 0.4}, {0.5, 0.75, 0.6}});
  EXPECT_MESSAGE(forward_transfer(scores), ShapeError,
                 "scores: task 1 was not scored before training");
  scores.record_before(1, 0.25);
  scores.record_before(2, 0.25);
  EXPECT_NEAR(forward_transfer(scores), (0.05 + 0.15) / 2, 1e-15);
}

TEST(ScoreMatrix, RefusesWhatIsMissingOrNoScore) {
  ScoreMatrix scores(2);
  scores.record(0, 0, 1);
  scores.record(1, 0, 1);
  EXPECT_MESSAGE(forgetting(scores), ShapeError, "scores: task 1 was not scored in stage 1");
  EXPECT_THROW(scores.record(2, 0, 1), ShapeError);
  EXPECT_THROW(scores.record(0, 0, std::nan("")), NonFiniteError);
  EXPECT_MESSAGE(forgetting(ScoreMatrix(1)), ShapeError,
                 "forgetting: needs at least two tasks, got 1");
}

}  // namespace
}  // namespace palinode::rbl
