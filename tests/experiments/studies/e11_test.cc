// E11: SVAR of theta and of phi on five axes.
#include "experiments/usage_error.h"
#include "tests/experiments/studies/small_cell.h"
#include "tests/support/message.h"

namespace palinode::experiments {
namespace {

const Outcome& seen() {
  static const Outcome kOutcome =
      run_small("E11", "digits-mlp", 1,
                {"sigmas=[0.05, 0.1]", "draws=3", "heat_draws=2", "cycles=[1]", "second_steps=10"});
  return kOutcome;
}

TEST(SvarStudy, MoreNoiseMovesMoreOnEveryAxisOfSigma) {
  for (const char* locus : {"theta ", "phi "}) {
    for (const char* axis : {"parameter-noise", "parameter-mask", "environment"}) {
      const std::string series = std::string(locus) + axis;
      EXPECT_GT(value_of(seen(), series, "svar", 0.05), 0) << series;
      EXPECT_GT(value_of(seen(), series, "svar", 0.1), value_of(seen(), series, "svar", 0.05));
      EXPECT_LE(value_of(seen(), series, "svar-q05", 0.1), value_of(seen(), series, "svar", 0.1));
      EXPECT_GE(value_of(seen(), series, "svar-q95", 0.1), value_of(seen(), series, "svar", 0.1));
      EXPECT_EQ(value_of(seen(), series, "svar", 0), 0);
    }
  }
}

TEST(SvarStudy, TheReferenceCodesQuantityIsTheAdaptationsSizeWhereNothingIsPerturbed) {
  for (const char* locus : {"theta ", "phi "}) {
    const std::string series = std::string(locus) + "parameter-noise";
    EXPECT_EQ(value_of(seen(), series, "reference-code", 0),
              value_of(seen(), std::string(locus) + "adaptation", "kl"));
    EXPECT_GT(value_of(seen(), series, "reference-code", 0), 0.1);
  }
}

// Detaching phi rounds nothing. Subtracting a difference from theta does, in the last bits.
TEST(SvarStudy, LoadingAndUnloadingMovesThetaAndNotPhi) {
  for (const char* axis : {"runtime", "reset"}) {
    EXPECT_EQ(value_of(seen(), std::string("phi ") + axis, "svar", 1), 0);
    EXPECT_GT(value_of(seen(), std::string("theta ") + axis, "svar", 1), 0);
    EXPECT_LT(value_of(seen(), std::string("theta ") + axis, "svar", 1), 1e-12);
  }
  EXPECT_EQ(value_of(seen(), "phi after unload", "ils-max"), 0);
  EXPECT_GT(value_of(seen(), "theta after unload", "ils-max"), 0);
}

TEST(SvarStudy, TheDifferenceIsPairedAtEachSigma) {
  for (const double sigma : {0.05, 0.1}) {
    EXPECT_EQ(value_of(seen(), "phi - theta environment", "svar", sigma),
              value_of(seen(), "phi environment", "svar", sigma) -
                  value_of(seen(), "theta environment", "svar", sigma));
  }
}

TEST(SvarStudy, EachTensorHasItsSensitivity) {
  for (const char* series :
       {"theta layer.0.weight", "theta layer.1.bias", "phi layer.0.lora_A", "phi layer.1.lora_B"}) {
    EXPECT_GT(value_of(seen(), series, "sensitivity", 0.1), 0) << series;
  }
  EXPECT_LT(value_of(seen(), "theta layer.1.bias", "sensitivity", 0.1),
            value_of(seen(), "theta layer.1.weight", "sensitivity", 0.1));
}

TEST(SvarStudy, ItsRowsHaveTheSvarOfParameterNoise) {
  ASSERT_EQ(seen().rows.size(), 2U);
  EXPECT_EQ(seen().rows[0].svar, value_of(seen(), "theta parameter-noise", "svar", 0.1));
  EXPECT_EQ(seen().rows[1].svar, value_of(seen(), "phi parameter-noise", "svar", 0.1));
  EXPECT_EQ(unload_fault(seen().rows), "");
  EXPECT_MESSAGE(run_small("E11", "digits-mlp", 1, {"row_sigma=0.2"}), UsageError,
                 "E11: row_sigma 0.2 is none of the sigmas");
}

}  // namespace
}  // namespace palinode::experiments
