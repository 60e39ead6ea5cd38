// E10: BatchNorm's statistics move a network whose parameters are all what they were.
#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_cell.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& seen() {
  static const Outcome kOutcome = run_small("E10", "digits-bn", 1, {"steps=5"});
  return kOutcome;
}

TEST(Buffers, LeftOpenTheyMoveTheFunctionOfAnUnchangedTheta) {
  EXPECT_EQ(value_of(seen(), "open", "theta-words-changed"), 0);
  EXPECT_GT(value_of(seen(), "open", "buffer-words-changed"), 0);
  EXPECT_GT(value_of(seen(), "open", "kl"), 1e-6);
  EXPECT_LT(value_of(seen(), "open", "rf"), 1);
}

TEST(Buffers, FrozenTheyRefuseTrainMode) {
  EXPECT_EQ(value_of(seen(), "frozen", "refused"), 1);
  EXPECT_EQ(value_of(seen(), "frozen", "kl"), 0);
  EXPECT_EQ(value_of(seen(), "frozen", "buffer-words-changed"), 0);
}

TEST(Buffers, RoutedToTheBehaviorTheyGoWithIt) {
  EXPECT_EQ(value_of(seen(), "routed", "refused"), 0);
  EXPECT_EQ(value_of(seen(), "routed", "kl"), 0);
  EXPECT_EQ(value_of(seen(), "routed", "rf"), 1);
  EXPECT_EQ(value_of(seen(), "routed", "buffer-words-changed"), 0);
  EXPECT_EQ(unload_fault(seen().rows), "");
}

TEST(Buffers, OfAnMlpDoTheSame) {
  const Outcome outcome = run_small("E10", "digits-bn-mlp", 1, {"steps=5"});
  EXPECT_EQ(value_of(outcome, "open", "theta-words-changed"), 0);
  EXPECT_GT(value_of(outcome, "open", "kl"), 1e-6);
  EXPECT_EQ(value_of(outcome, "frozen", "refused"), 1);
  EXPECT_EQ(value_of(outcome, "routed", "kl"), 0);
  EXPECT_EQ(unload_fault(outcome.rows), "");
}

TEST(Buffers, ANetworkWithoutAnyIsRefused) {
  EXPECT_MESSAGE(run_small("E10", "digits-mlp", 1), UsageError,
                 "E10: mlp-64-64-10 has no BatchNorm and so no buffers");
}

TEST(Buffers, AnOpenOneThatDoesNotLeakIsAFault) {
  const Study& study = find_study("E10");
  Outcome outcome = seen();
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "");
  for (Point& p : outcome.points) {
    if (p.series == "open" && p.quantity == "kl") p.value = 0;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "E10 open seed 1: kl is 0");
}

}  // namespace
}  // namespace palinode::experiments
