// Each study's rule on data made by hand: supported as they should be, and turned by one planted
// deviation. First the studies whose rules are about rows and bits.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "tests/experiments/studies/handmade.h"

namespace palinode::experiments {
namespace {

using State = rbl::Recoverability::State;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// RF on each seed, with some spread.
auto rf_near(double value) {
  return [value](Row& row) {
    row.rf.value = value + 0.01 * static_cast<double>(row.seed);
    row.words_changed = 100;
    row.logits_bit_equal = false;
    row.kl_rec = 1 - row.rf.value;
  };
}

TEST(Verdicts, OfEveryStudyAreOpenWithoutDataAndSayWhy) {
  std::set<std::string> statements;
  for (const Study& study : studies()) {
    const std::vector<Judgement> judged = Handmade(study.id.data()).judged();
    EXPECT_FALSE(judged.empty()) << study.id;
    for (const Judgement& judgement : judged) {
      EXPECT_EQ(judgement.study, study.id);
      EXPECT_EQ(verdict_name(judgement.verdict), "open") << study.id << judgement.statement;
      EXPECT_NE(judgement.detail, "") << study.id << " " << judgement.statement;
      EXPECT_EQ(judgement.of, 0U);
      EXPECT_TRUE(statements.insert(judgement.statement).second) << judgement.statement;
    }
  }
}

TEST(Verdicts, OfE0NeedZerosOnNothingAndEveryLeakInOneWord) {
  Handmade data("E0");
  const auto null = [](Row& row) {
    row.kl_adapt = row.js_adapt = 0;
    row.rf.state = State::kUndefined;
  };
  data.rows("theta", "none", "R0", null);
  data.rows("phi", "fresh-adapter", "R17", null);
  data.rows("theta", "planted-leak", "R0", [](Row& row) { row.words_changed = 1; });
  EXPECT_EQ(data.verdict("null"), "supported");
  EXPECT_EQ(data.verdict("leak"), "supported");
  data.all_rows[5].js_adapt = 1e-300;
  EXPECT_EQ(data.verdict("null"), "refuted");
  EXPECT_EQ(data.of("null").detail,
            "not for fresh-adapter on m, seed 2: 0 words changed, KL 0, JS 1e-300");
  EXPECT_EQ(data.verdict("leak"), "supported");
  data.all_rows[8].kl_adapt = 0;
  EXPECT_EQ(data.verdict("leak"), "refuted");
}

TEST(Verdicts, OfE0NeedAnUndefinedRf) {
  Handmade data("E0");
  data.rows("theta", "none", "R0", [](Row& row) { row.kl_adapt = row.js_adapt = 0; });
  EXPECT_EQ(data.verdict("null"), "refuted");
}

TEST(Verdicts, OfE1NeedEveryBitOnEverySeed) {
  Handmade data("E1");
  data.rows("phi", "adam", "R17");
  EXPECT_EQ(data.verdict("unload"), "supported");
  EXPECT_EQ(data.of("unload").holds, kHandmadeSeeds);
  for (const auto& plant : std::vector<std::function<void(Row&)>>{
           [](Row& row) { row.logits_bit_equal = false; }, [](Row& row) { row.words_changed = 1; },
           [](Row& row) { row.js_rec = 1e-300; }, [](Row& row) { row.kl_rec = kNan; },
           [](Row& row) { row.theta_fingerprint_after = "other"; }}) {
    Handmade planted = data;
    plant(planted.all_rows[2]);
    EXPECT_EQ(planted.verdict("unload"), "refuted");
    EXPECT_EQ(planted.of("unload").holds, kHandmadeSeeds - 1);
  }
}

TEST(Verdicts, OfE3NeedARiseOfBothOnEverySeed) {
  Handmade data("E3");
  for (const double alpha : {0.01, 0.05, 0.3}) {
    data.rows("theta", "noise", "R0", [alpha](Row& row) {
      row.alpha = row.kl_adapt = alpha;
      row.js_adapt = alpha / 2;
    });
  }
  EXPECT_EQ(data.verdict("rise"), "supported");
  data.all_rows[9].js_adapt = 0.025;  // seed 2 at 0.3, that of 0.05
  EXPECT_EQ(data.verdict("rise"), "refuted");
  EXPECT_EQ(data.of("rise").detail,
            "not for m, seed 2: KL 0.05 to 0.3, JS 0.025 to 0.025 from alpha 0.05 to 0.3");
}

TEST(Verdicts, OfE3AndE4AreTurnedByOneRollbackWithoutASnapshot) {
  for (const char* study : {"E3", "E4"}) {
    Handmade data(study);
    data.rows("theta", "adam", "R0");
    data.rows("theta", "adam", "R1");                   // keeps theta
    data.rows("theta", "adam", "R2");                   // keeps a journal
    data.rows("theta", "adam", "R6", rf_near(-0.025));  // its interval contains 0
    EXPECT_EQ(data.verdict("RF is 0"), "open") << study;
    EXPECT_EQ(data.of("RF is 0").of, 1U) << study;
    data.rows("theta", "adam", "R7", rf_near(0.5));
    EXPECT_EQ(data.verdict("RF is 0"), "refuted") << study;
    EXPECT_TRUE(data.of("RF is 0").detail.starts_with("not for R7 after adam on m: RF 0.5"))
        << data.of("RF is 0").detail;
  }
}

TEST(Verdicts, OfE5TakeTheDriftAgainstE4sAdamOfTheSameSeeds) {
  Handmade data("E5");
  const auto drift = [](double kl) {
    return [kl](Row& row) { row.kl_adapt = near(kl)(row.seed); };
  };
  data.rows("phi", "policy-gradient", "R17");
  data.rows("theta", "policy-gradient", "R0", drift(0.5));
  EXPECT_EQ(data.verdict("drifts less"), "open") << "without E4";
  EXPECT_EQ(data.of("drifts less").detail, "needs E4's Adam on a model of E5's");
  data.rows("theta", "adam", "R0", drift(1), "E4");
  EXPECT_EQ(data.verdict("drifts less"), "supported");
  EXPECT_EQ(data.verdict("on phi"), "supported");
  data.all_rows[0].words_changed = 1;
  EXPECT_EQ(data.verdict("on phi"), "refuted");
  Handmade missed = data, more = data;
  missed.all_rows.back().score_reached = false;
  EXPECT_EQ(missed.verdict("drifts less"), "open");
  for (Row& row : more.all_rows) row.kl_adapt = row.study == "E4" ? 0.25 : row.kl_adapt;
  EXPECT_EQ(more.verdict("drifts less"), "refuted");
}

TEST(Verdicts, OfE19NeedALowerDriftAtEveryLambdaAndEveryBitForOneAnchor) {
  Handmade data("E19");
  data.points("free", "lambda", 0, "d-adapt", near(1, 0.1));
  for (const double lambda : {0.1, 1.0}) {
    data.points("l2-sp", "lambda", lambda, "d-adapt", near(0.5, 0.1));
    data.points("ewc", "lambda", lambda, "d-adapt", near(0.5, 0.1));
  }
  data.rows("theta", "adam-free", "R6");  // no anchor
  data.rows("theta", "adam-ewc", "R6", rf_near(0.5));
  EXPECT_EQ(data.verdict("l2-sp lowers"), "supported");
  EXPECT_EQ(data.verdict("every bit back"), "refuted");
  data.set("l2-sp", "d-adapt", 0.1, 2);
  EXPECT_EQ(data.verdict("l2-sp lowers"), "refuted");
  EXPECT_EQ(data.verdict("ewc lowers"), "supported");
  data.rows("theta", "adam-l2-sp", "R6");
  EXPECT_EQ(data.verdict("every bit back"), "supported");
  data.all_rows.back().words_changed = 1;
  EXPECT_EQ(data.verdict("every bit back"), "refuted");
}

}  // namespace
}  // namespace palinode::experiments
