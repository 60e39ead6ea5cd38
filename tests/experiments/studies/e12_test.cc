// E12: a leak in one probe of 64.
#include <fmt/format.h>

#include "experiments/usage_error.h"
#include "tensor/error.h"
#include "tests/experiments/studies/small_cell.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& seen() {
  static const Outcome kOutcome =
      run_small("E12", "digits-mlp", 1,
                {"leaks=[0, 2, 12]", "repeats=40", "answers=60", "roc=[0.05, 0.2, 0.5]"});
  return kOutcome;
}

TEST(LeakageScore, TheMeanDividesALeakByTheNumberOfProbes) {
  for (const double leak : {2.0, 12.0}) {
    EXPECT_NEAR(value_of(seen(), "mean", "ils", leak), value_of(seen(), "max", "ils", leak) / 64,
                1e-15);
  }
  EXPECT_EQ(value_of(seen(), "max", "ils", 0), 0);
}

TEST(LeakageScore, ComparedOutputsHaveAThresholdOfZeroAndFindEveryLeak) {
  for (const char* series : {"outputs, mean", "outputs, max"}) {
    EXPECT_EQ(value_of(seen(), series, "tau"), 0);
    EXPECT_EQ(value_of(seen(), series, "power", 0), 0);
    EXPECT_EQ(value_of(seen(), series, "power", 2), 1);
  }
}

TEST(LeakageScore, ALargeLeakIsFoundInSamplesByTheMaximum) {
  EXPECT_EQ(value_of(seen(), "sampled, max", "power", 12), 1);
  EXPECT_LT(value_of(seen(), "sampled, max", "power", 0), 0.3);
  EXPECT_GT(value_of(seen(), "sampled, max", "tau"), 0);
}

TEST(LeakageScore, TheReferenceCodeDoesNotFindALeakThatMovesAllOfAnAnswer) {
  EXPECT_LT(value_of(seen(), "reference code", "power", 12), 0.5);
  EXPECT_EQ(value_of(seen(), "reference code, tau 0.05", "power", 12), 0);
}

TEST(LeakageScore, TheCurveRisesAndGoesThroughThePowerAtTheRateWanted) {
  for (const char* score : {"sampled, mean", "sampled, max", "reference code"}) {
    for (const double leak : {0.0, 2.0, 12.0}) {
      const std::string series = fmt::format("{}, leak {:g}", score, leak);
      double before = 0;
      for (const double rate : {0.05, 0.2, 0.5}) {
        const double found = value_of(seen(), series, "true-positives", rate);
        EXPECT_GE(found, before) << series;
        before = found;
      }
      EXPECT_EQ(value_of(seen(), series, "true-positives", 0.05),
                value_of(seen(), score, "power", leak));
    }
  }
}

TEST(LeakageScore, TheAreaTellsWhichScoreSeesTheLeak) {
  for (const char* series : {"outputs, mean", "outputs, max"}) {
    EXPECT_EQ(value_of(seen(), series, "auc", 0), 0.5);
    EXPECT_EQ(value_of(seen(), series, "auc", 2), 1);
  }
  EXPECT_EQ(value_of(seen(), "sampled, max", "auc", 12), 1);
  EXPECT_NEAR(value_of(seen(), "sampled, max", "auc", 0), 0.5, 0.2);
  EXPECT_LT(value_of(seen(), "reference code", "auc", 12),
            value_of(seen(), "sampled, max", "auc", 12));
}

TEST(LeakageScore, ARateThatTheRepeatsCannotCalibrateIsRefused) {
  EXPECT_MESSAGE(run_small("E12", "digits-mlp", 1, {"repeats=40", "answers=5", "roc=[0.01]"}),
                 ShapeError, "tau: 40 repeats can't calibrate a false positive rate of 0.01");
}

TEST(LeakageScore, AMissedLeakIsAFault) {
  const Study& study = find_study("E12");
  Outcome outcome = seen();
  EXPECT_EQ(study.fault(outcome.rows, outcome.points), "");
  for (Point& p : outcome.points) {
    if (p.series == "outputs, max" && p.quantity == "power" && p.at == 2) p.value = 0;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points),
            "E12 outputs, max seed 1: power 0.000000 at a leak of 2.000000");
  outcome = seen();
  for (Point& p : outcome.points) {
    if (p.series == "outputs, mean" && p.quantity == "auc" && p.at == 0) p.value = 0.75;
  }
  EXPECT_EQ(study.fault(outcome.rows, outcome.points),
            "E12 outputs, mean seed 1: auc 0.750000 at a leak of 0.000000");
}

TEST(LeakageScore, MoreProbesThanThereAreIsRefused) {
  EXPECT_MESSAGE(run_small("E12", "digits-mlp", 1, {"probes=600"}), UsageError,
                 "E12: probes: from 1 to the 512 of the model");
}

}  // namespace
}  // namespace palinode::experiments
