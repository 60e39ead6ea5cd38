// Each study's rule on data made by hand: supported as they should be, and turned by one planted
// deviation. Here the studies whose rules are about points.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/experiments/studies/handmade.h"

namespace palinode::experiments {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Four cells of rates and steps, in which the first zero is where it is predicted.
Handmade elimination() {
  Handmade data("E2");
  for (const std::string steps : {"steps 30", "steps 100"}) {
    for (const double rate : {1e-3, 4e-3}) {
      const double zero = 0.5 + 50 * rate;
      data.points("global, " + steps, "rate", rate, "first-zero", zero);
      data.points("predicted, " + steps, "rate", rate, "first-zero", near(zero - 0.04));
      data.points("per tensor, " + steps, "rate", rate, "first-zero", 0.95);
      data.points("rank, " + steps, "rate", rate, "rises",
                  [](std::uint64_t seed) { return seed <= 2 ? 1 : 0; });
    }
  }
  return data;
}

TEST(Verdicts, OfE2HoldWhereTheFirstZeroIsPredicted) {
  const Handmade data = elimination();
  EXPECT_EQ(data.verdict("predicted"), "supported");
  EXPECT_EQ(data.verdict("per-tensor"), "supported");
  EXPECT_EQ(data.verdict("artefact"), "supported");
  EXPECT_EQ(data.verdict("non-monotone"), "refuted") << "half of the seeds are not most";
}

TEST(Verdicts, OfE2NameTheCellThatMissesItsPrediction) {
  Handmade data = elimination();
  data.set("global, steps 30", "first-zero", 4e-3, 0.55);  // 0.66 is predicted
  EXPECT_EQ(data.verdict("predicted"), "refuted");
  EXPECT_EQ(data.of("predicted").holds, 3U);
  EXPECT_TRUE(data.of("predicted")
                  .detail.starts_with("not for global, steps 30 at rate 0.004 on m: 0.55, "
                                      "predicted 0.6625, off by -0.1125"))
      << data.of("predicted").detail;
  EXPECT_EQ(data.verdict("artefact"), "open");
  EXPECT_EQ(data.verdict("per-tensor"), "supported");
}

TEST(Verdicts, OfE2TakeTheGridOfTheRun) {
  Handmade data = elimination();
  data.settings.set("intervals=100");  // two of which are 0.02
  EXPECT_EQ(data.verdict("predicted"), "refuted");
}

TEST(Verdicts, OfE2AreOpenWithoutAZeroOrWithinTheNoise) {
  Handmade data = elimination();
  data.value("global, steps 100", "first-zero", 1e-3) = kNan;
  EXPECT_EQ(data.verdict("predicted"), "open");
  data = elimination();
  data.value("global, steps 100", "first-zero", 1e-3, 1) = 1;
  EXPECT_EQ(data.verdict("predicted"), "open");
}

TEST(Verdicts, OfE2SeeAnEarlyZeroOnOneSeedAndARiseOnMost) {
  Handmade data = elimination();
  data.value("per tensor, steps 30", "first-zero", 1e-3) = 0.85;
  EXPECT_EQ(data.verdict("per-tensor"), "refuted");
  EXPECT_EQ(data.verdict("artefact"), "open");
  data.value("rank, steps 100", "rises", 4e-3, 4) = 2;
  EXPECT_EQ(data.verdict("non-monotone"), "supported");
  EXPECT_EQ(data.of("non-monotone").detail,
            "holds for rank, steps 100 at rate 0.004 on m: rises on 3 of 4 seeds");
}

TEST(Verdicts, OfE6NeedUntouchedUnitsAndAFallAtEachStep) {
  Handmade data("E6");
  for (const double n : {1.0, 2.0, 3.0, 4.0}) {
    data.points("phi unload", "tasks", n, "equal-share", 1);
    if (n > 1) data.points("theta subtract", "tasks", n, "rf-remaining", near(0.9 - 0.2 * n));
    data.points("theta subtract", "learned-later", n, "rf-remaining", near(0.1 * n));
  }
  EXPECT_EQ(data.verdict("bits of before"), "supported");
  EXPECT_EQ(data.verdict("falls"), "supported");
  EXPECT_EQ(data.of("falls").of, 2U);
  data.value("phi unload", "equal-share", 3) = 0.5;
  EXPECT_EQ(data.verdict("bits of before"), "refuted");
  for (Point& p : data.all_points) {
    if (p.variable == "tasks" && p.quantity == "rf-remaining" && p.at == 4) p.value = 0.75;
  }
  EXPECT_EQ(data.verdict("falls"), "refuted");
  EXPECT_EQ(data.of("falls").holds, 1U);
  EXPECT_TRUE(data.of("falls").detail.starts_with("not for 3 to 4 tasks: 0.3"))
      << data.of("falls").detail;
}

TEST(Verdicts, OfE7NeedADifferenceTheIdentityDoesNotShow) {
  Handmade data("E7");
  data.points("moments kept", "", 0, "words-changed", 10);
  data.points("moments dropped", "", 0, "words-changed", 0);
  data.points("identity", "", 0, "fingerprint-equal", 1);
  data.points("identity", "", 0, "ils-max", 0);
  EXPECT_EQ(data.verdict("kept"), "supported");
  EXPECT_EQ(data.verdict("dropped"), "supported");
  Handmade same = data, seen = data, leaked = data;
  same.value("moments kept", "words-changed") = 0;
  EXPECT_EQ(same.verdict("kept"), "refuted");
  seen.value("identity", "fingerprint-equal") = 0;
  EXPECT_EQ(seen.verdict("kept"), "refuted");
  leaked.value("identity", "ils-max") = 1e-9;
  EXPECT_EQ(leaked.verdict("kept"), "refuted");
  data.value("moments dropped", "words-changed") = 1;
  EXPECT_EQ(data.verdict("dropped"), "refuted");
}

TEST(Verdicts, OfE8AreForEachWayOfTakingOut) {
  Handmade data("E8");
  for (const char* series : {"f32 kahan", "bf16 kahan", "bf16 xor", "bf16 as-peft"}) {
    const bool exact = std::string_view(series).ends_with("xor");
    data.points(series, "cycles", 1, "words-changed-share", exact ? 0 : 0.25);
    data.points(series, "cycles", 1, "drift", near(1));
    data.points(series, "cycles", 100, "drift", near(1));
  }
  EXPECT_EQ(data.verdict("words differ"), "supported") << "xor is none of the ways";
  EXPECT_EQ(data.verdict("kahan drifts"), "refuted");
  EXPECT_EQ(data.verdict("as-peft drifts"), "refuted");
  data.set("bf16 as-peft", "drift", 100, 3);
  EXPECT_EQ(data.verdict("as-peft drifts"), "supported");
  data.value("bf16 as-peft", "drift", 100) = 2;  // not past twice on every seed
  EXPECT_EQ(data.verdict("as-peft drifts"), "refuted");
  data.set("bf16 kahan", "drift", 100, 3);
  EXPECT_EQ(data.verdict("kahan drifts"), "open") << "in one storage of two";
  data.value("f32 kahan", "words-changed-share", 1) = 0;
  EXPECT_EQ(data.verdict("words differ"), "refuted");
}

TEST(Verdicts, OfE9TakeTheSlopeOverSizes) {
  Handmade data("E9");
  for (const double size : {1e3, 1e4, 1e5}) {
    data.points("theta, R6 fixed budget", "parameters", size, "rf", [size](std::uint64_t seed) {
      return 1 - 0.01 * static_cast<double>(seed) * std::log10(size);
    });
  }
  EXPECT_EQ(data.verdict("falls"), "supported");
  data.set("theta, R6 fixed budget", "rf", 1e5, 1.5);
  EXPECT_EQ(data.verdict("falls"), "refuted");
  data.set("theta, R6 fixed budget", "rf", 1e5, 1);
  data.value("theta, R6 fixed budget", "rf", 1e5, 1) = 0.5;
  EXPECT_EQ(data.verdict("falls"), "open");
}

TEST(Verdicts, OfE10NeedALeakWhenOpenAndNoneWhenHeld) {
  Handmade data("E10");
  for (const char* guard : {"open", "frozen", "routed"}) {
    const bool open = std::string_view(guard) == "open";
    data.points(guard, "", 0, "kl", open ? 0.5 : 0);
    data.points(guard, "", 0, "theta-words-changed", 0);
    data.points(guard, "", 0, "buffer-words-changed", open ? 8 : 0);
  }
  EXPECT_EQ(data.verdict("open: "), "supported");
  EXPECT_EQ(data.verdict("frozen"), "supported");
  data.value("open", "kl") = 0;
  EXPECT_EQ(data.verdict("open: "), "refuted");
  for (const char* quantity : {"kl", "theta-words-changed", "buffer-words-changed"}) {
    Handmade planted = data;
    planted.value("routed", quantity) = 1;
    EXPECT_EQ(planted.verdict("frozen"), "refuted") << quantity;
    EXPECT_EQ(planted.of("frozen").holds, 2 * kHandmadeSeeds - 1);
  }
}

TEST(Verdicts, OfE11AreOpenWhereTheSizesDisagree) {
  Handmade data("E11");
  for (const char* axis : {"phi - theta parameter-noise", "phi - theta environment"}) {
    data.points(axis, "sigma", 0.1, "svar", near(-0.5));
    data.points(axis, "sigma", 0.1, "svar-share", near(0.5));
  }
  EXPECT_EQ(data.of("less").verdict, Verdict::kSupported);
  EXPECT_EQ(data.verdict("in shares"), "refuted");
  data.set("phi - theta environment", "svar", 0.1, 0.5);
  EXPECT_EQ(data.of("less").verdict, Verdict::kOpen);
  EXPECT_EQ(data.of("less").holds, 1U);
}

TEST(Verdicts, OfE12CallAScoreBlindThatFindsNoSize) {
  Handmade data("E12");
  for (const double leak : {0.0, 0.5, 2.0}) {
    data.points("sampled, max", "leak", leak, "power", near(leak > 0 ? 0.5 : 0.05));
    data.points("reference code", "leak", leak, "power", near(0.045));
  }
  EXPECT_EQ(data.verdict("\"sampled, max\""), "supported");
  EXPECT_EQ(data.verdict("\"reference code\""), "refuted");
  data.set("sampled, max", "power", 0.5, 0.05);  // no more than wanted
  EXPECT_EQ(data.verdict("\"sampled, max\""), "open");
  data.settings.set("false_positives=0.01");
  EXPECT_EQ(data.verdict("\"sampled, max\""), "supported");
}

TEST(Verdicts, OfE13AskWhetherF64ReachesFurther) {
  Handmade data("E13");
  for (const double steps : {1.0, 5.0, 20.0}) {
    data.points("adam f32 lost-bits", "steps", steps, "exact", 1);
    data.points("adam f32 lost-bits", "steps", steps, "rf", 1);
    data.points("adam f32", "steps", steps, "rf", steps > 1 ? -3 : 1);
    data.points("adam f32", "steps", steps, "exact", 0);
    data.points("adam f64", "steps", steps, "rf", steps > 5 ? -3 : 1);
    data.points("sgd f32", "steps", steps, "rf", steps > 1 ? -3 : 1);
    data.points("sgd f64", "steps", steps, "rf", steps > 1 ? -3 : 1);
  }
  EXPECT_EQ(data.verdict("lost bits"), "supported");
  EXPECT_EQ(data.verdict("replay of adam"), "supported");
  EXPECT_EQ(data.of("replay of adam").detail, "holds for adam: f32 to 1 steps, f64 to 5");
  EXPECT_EQ(data.verdict("replay of sgd"), "refuted");
  EXPECT_EQ(data.verdict("replay of momentum"), "open");
  data.value("adam f32 lost-bits", "exact", 20) = 0;
  EXPECT_EQ(data.verdict("lost bits"), "refuted");
  data.set("adam f64", "rf", 5, 0.5);
  EXPECT_EQ(data.verdict("replay of adam"), "refuted");
}

TEST(Verdicts, OfE14NeedAnArmInBetweenOnTheFrontOfEverySeed) {
  Handmade data("E14");
  data.points("R0", "", 0, "on-front", 1);
  data.points("R0", "", 0, "left", 1);
  data.points("R6", "", 0, "on-front", 1);
  data.points("R6", "", 0, "left", 0.25);
  EXPECT_EQ(data.verdict("all or nothing"), "refuted");
  data.value("R6", "on-front") = 0;
  EXPECT_EQ(data.verdict("all or nothing"), "open");
  data.set("R6", "left", 0, 0.0005);
  EXPECT_EQ(data.verdict("all or nothing"), "supported");
}

TEST(Verdicts, OfE15AreRefutedByOneRank) {
  Handmade data("E15");
  for (const char* rank : {"rank 1", "rank 2"}) {
    data.points(rank, "siblings", 2, "rf", 0.5);
    data.points(rank, "siblings", 5, "rf", near(0.985));
    data.points(rank, "siblings", 5, "words-changed-share", 0.75);
  }
  EXPECT_EQ(data.verdict("gone"), "open");
  data.set("rank 2", "rf", 5, 0.999);
  EXPECT_EQ(data.verdict("gone"), "refuted");
  EXPECT_TRUE(data.of("gone").detail.starts_with(
      "not for rank 2: RF 0.999 with 5 models, 0.75 of the words differ"));
  data.value("rank 2", "rf", 5) = kNan;
  EXPECT_EQ(data.verdict("gone"), "open");
}

TEST(Verdicts, OfE16AreRefutedByOneViolation) {
  Handmade data("E16");
  data.points("ledger", "", 0, "violations", 0);
  EXPECT_EQ(data.verdict("violated"), "open") << "without an operation";
  data.points("all", "", 0, "operations", 1000);
  EXPECT_EQ(data.verdict("violated"), "supported");
  data.value("ledger", "violations", 0, 3) = 1;
  EXPECT_EQ(data.verdict("violated"), "refuted");
  EXPECT_EQ(data.of("violated").detail, "not for ledger on m, seed 3: 1");
}

TEST(Verdicts, OfE17LookAtEveryPositionAndEverySwitch) {
  Handmade data("E17");
  for (const double position : {0.0, 1.0}) {
    for (const char* change : {", A to B", ", B to none"}) {
      data.points((std::string("keyed") + change).c_str(), "position", position, "kl", 0);
      data.points((std::string("unkeyed") + change).c_str(), "position", position, "kl", position);
    }
  }
  EXPECT_EQ(data.verdict("keyed: KL = 0"), "supported");
  EXPECT_EQ(data.verdict("unkeyed"), "supported");
  data.value("keyed, B to none", "kl", 1) = 1e-300;
  EXPECT_EQ(data.verdict("keyed: KL = 0"), "refuted");
  data.value("unkeyed, A to B", "kl", 1) = 0;
  EXPECT_EQ(data.verdict("unkeyed"), "refuted");
}

TEST(Verdicts, OfE18CompareEverySetWithTheOneItWasMeasuredOn) {
  Handmade data("E18");
  for (const char* arm : {"R6, ", "R7, "}) {
    data.points(std::string(arm) + "in-distribution", "", 0, "rf", near(0.9));
    data.points(std::string(arm) + "random", "", 0, "rf", near(0.4));
    data.points(std::string(arm) + "held-out", "", 0, "rf", near(0.95));
  }
  data.points("R17, random", "", 0, "rf", 1);
  EXPECT_EQ(data.verdict("R6"), "supported");
  EXPECT_EQ(data.of("R6").holds, 1U);
  EXPECT_EQ(data.verdict("after the unload"), "supported");
  data.set("R6, random", "rf", 0, 0.95);
  EXPECT_EQ(data.verdict("R6"), "refuted");
  data.set("R6, random", "rf", 0, 0.902);
  EXPECT_EQ(data.verdict("R6"), "open");
  EXPECT_EQ(data.verdict("R7"), "supported");
  data.value("R17, random", "rf") = 1 - 0x1p-53;
  EXPECT_EQ(data.verdict("after the unload"), "refuted");
}

TEST(Verdicts, OfE20NeedTheSameStepsAndBitsOrFewerSteps) {
  Handmade data("E20");
  for (const char* series : {"phi R17", "theta R1"}) {
    data.points(series, "", 0, "steps-ratio", 1);
    data.points(series, "", 0, "bits-equal", 1);
  }
  data.points("theta R6", "", 0, "steps-ratio", near(0.2));
  data.points("theta R8", "", 0, "steps-ratio", near(1.5));
  EXPECT_EQ(data.verdict("phi R17 nothing"), "supported");
  EXPECT_EQ(data.verdict("theta R6 something"), "supported");
  EXPECT_EQ(data.verdict("theta R8 something"), "refuted");
  data.value("phi R17", "steps-ratio") = 0.9;
  EXPECT_EQ(data.verdict("phi R17 nothing"), "refuted");
  EXPECT_EQ(data.verdict("theta R1 nothing"), "supported");
  data.value("theta R1", "bits-equal") = 0;
  EXPECT_EQ(data.verdict("theta R1 nothing"), "refuted");
  data.value("theta R6", "steps-ratio", 0, 1) = 4;
  EXPECT_EQ(data.verdict("theta R6 something"), "open");
}

}  // namespace
}  // namespace palinode::experiments
