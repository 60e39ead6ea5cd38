// E7: what of a behavior outlives its unload in an optimizer.
#include "tests/experiments/studies/small_cell.h"

namespace palinode::experiments {
namespace {

const Outcome& seen() {
  static const Outcome kOutcome = run_small("E7", "digits-mlp", 1, {"steps=30"});
  return kOutcome;
}

TEST(OptimizerState, KeptMomentsMakeAnotherBehaviorOfTheSameIdentity) {
  EXPECT_GT(value_of(seen(), "moments kept", "words-changed"), 0);
  EXPECT_GT(value_of(seen(), "moments kept", "kl"), 0);
  EXPECT_EQ(value_of(seen(), "identity", "fingerprint-equal"), 1);
  EXPECT_EQ(value_of(seen(), "identity", "ils-max"), 0);
}

TEST(OptimizerState, WithDroppedMomentsABehaviorIsTheFreshOne) {
  EXPECT_EQ(value_of(seen(), "moments dropped", "words-changed"), 0);
  EXPECT_EQ(value_of(seen(), "moments dropped", "kl"), 0);
  EXPECT_EQ(value_of(seen(), "moments dropped", "score"), value_of(seen(), "fresh", "score"));
}

TEST(OptimizerState, DecayMovesAnOpenThetaWithoutAGradientAndIsRefusedAFrozenOne) {
  EXPECT_EQ(value_of(seen(), "optimizer over frozen theta", "refused"), 1);
  std::size_t decayed = 0;
  for (const Row& row : seen().rows) {
    if (row.mechanism != "weight-decay") continue;
    ++decayed;
    // 30 steps of AdamW shrink every weight by 30 * 1e-3 * 1e-2.
    EXPECT_NEAR(row.distance_adapt, 3e-4, 2e-6);
    EXPECT_GT(row.kl_adapt, 0);
    EXPECT_NE(row.theta_fingerprint_after, row.theta_fingerprint_before);
  }
  EXPECT_EQ(decayed, 1U);
}

TEST(OptimizerState, ADroppedStateThatLeavesATraceIsAFault) {
  const Study& study = find_study("E7");
  Outcome outcome = seen();
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "");
  for (Point& p : outcome.points) {
    if (p.series == "moments dropped" && p.quantity == "words-changed") p.value = 1;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points),
            "E7 moments dropped seed 1: a fresh behavior differs after another one");
}

}  // namespace
}  // namespace palinode::experiments
