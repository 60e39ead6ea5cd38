// E18: recoveries on other inputs than those they were fitted to.
#include "tests/experiments/studies/small_cell.h"

namespace palinode::experiments {
namespace {

const Outcome& seen() {
  static const Outcome kOutcome = run_small("E18", "digits-mlp", 1, {"starts=4", "ascent_steps=8"});
  return kOutcome;
}

TEST(Shift, UnloadIsExactOnEverySetAndAtTheWorstInputFound) {
  for (const char* set : {"in-distribution", "held-out", "adaptation", "random", "worst found"}) {
    const std::string series = std::string("R17, ") + set;
    EXPECT_GT(value_of(seen(), series, "kl-adapted"), 0);
    EXPECT_EQ(value_of(seen(), series, "kl"), 0);
    EXPECT_EQ(value_of(seen(), series, "rf"), 1);
  }
  EXPECT_EQ(unload_fault(seen().rows), "");
}

TEST(Shift, RollbacksThatTrainRecoverLessOfRandomInputs) {
  for (const char* rollback : {"R6", "R7"}) {
    EXPECT_LT(value_of(seen(), std::string(rollback) + ", random", "rf"),
              value_of(seen(), std::string(rollback) + ", in-distribution", "rf"));
  }
}

TEST(Shift, TheWorstInputFoundIsWorseThanTheMeanOfEverySet) {
  for (const char* rollback : {"R6", "R7"}) {
    const double worst = value_of(seen(), std::string(rollback) + ", worst found", "kl");
    for (const char* set : {"in-distribution", "held-out", "adaptation", "random"}) {
      EXPECT_GT(worst, value_of(seen(), std::string(rollback) + ", " + set, "kl"));
    }
  }
}

TEST(Shift, AnUnloadThatLeavesSomethingSomewhereIsAFault) {
  const Study& study = find_study("E18");
  Outcome outcome = seen();
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "");
  for (Point& p : outcome.points) {
    if (p.series == "R17, worst found" && p.quantity == "kl") p.value = 1e-12;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "E18 R17, worst found seed 1: KL 1e-12");
}

}  // namespace
}  // namespace palinode::experiments
