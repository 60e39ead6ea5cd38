// The claims that rest on more than one study: C1 on E1 and E16, C8 on E3, E13, E15 and the rest.
#include "experiments/results/claims.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace palinode::experiments {
namespace {

using Rows = std::vector<Row>;
using Points = std::vector<Point>;

Row row_of(const char* study, const char* locus, const char* rollback, std::uint64_t seed) {
  Row row;
  row.study = study;
  row.model = "m";
  row.data = "d";
  row.locus = locus;
  row.mechanism = "adam";
  row.rollback = rollback;
  row.seed = seed;
  return row;
}

Row unload_of(std::uint64_t seed) {
  Row row = row_of("E1", "phi", "R17", seed);
  row.kl_adapt = 1;
  row.rf = rbl::recoverability(1, 0);
  row.words = 10;
  row.logits_bit_equal = true;
  return row;
}

Row recovered(const char* study, const char* rollback, double left) {
  Row row = row_of(study, "theta", rollback, 1);
  row.kl_adapt = 1;
  row.kl_rec = left;
  row.rf = rbl::recoverability(1, left);
  row.words = row.words_changed = 10;
  return row;
}

Point point(const char* study, const char* series, double at, const char* quantity, double value) {
  return {.study = study,
          .model = "m",
          .data = "d",
          .series = series,
          .variable = "",
          .at = at,
          .quantity = quantity,
          .seed = 1,
          .value = value};
}

Points lives(double identity, double effect = 0) {
  return {point("E16", "all", 0, "operations", 1000),
          point("E16", "identity", 0, "violations", identity),
          point("E16", "effect", 0, "violations", effect),
          point("E16", "ledger", 0, "violations", 3)};
}

Claim judged(const char* id, const Rows& rows, const Points& points) {
  const std::vector<Group> groups = group_rows(rows);
  const std::vector<CurvePoint> curves = curves_of(points);
  for (const Claim& claim : judge_claims(groups, curves)) {
    if (claim.id == id) return claim;
  }
  ADD_FAILURE() << "no claim " << id;
  return {};
}

TEST(ExactUnload, IsRefutedByAViolationThatTheLivesOfUnitsCount) {
  const Rows exact = {unload_of(1), unload_of(2)};
  const Claim alone = judged("C1", exact, {});
  EXPECT_EQ(alone.verdict, Verdict::kSupported);
  EXPECT_EQ(alone.figure_is, "share of 2 runs with every bit back");

  const Claim both = judged("C1", exact, lives(0));
  EXPECT_EQ(both.verdict, Verdict::kSupported);
  EXPECT_EQ(both.figure, 1);
  EXPECT_EQ(both.figure_is,
            "share of 2 runs with every bit back; 0 violations in 1000 operations of E16");

  for (const Points& counted : {lives(1), lives(0, 1)}) {
    const Claim refuted = judged("C1", exact, counted);
    EXPECT_EQ(refuted.verdict, Verdict::kRefuted);
    EXPECT_EQ(refuted.study, "E1");
    EXPECT_TRUE(refuted.figure_is.ends_with("; 1 violations in 1000 operations of E16"));
  }
}

TEST(ExactUnload, IsRefutedByALostBitWhateverTheLivesSay) {
  Rows rows = {unload_of(1), unload_of(2)};
  rows[1].words_changed = 1;
  EXPECT_EQ(judged("C1", rows, lives(0)).verdict, Verdict::kRefuted);
}

TEST(ExactUnload, IsNotSupportedByTheLivesAlone) {
  const Claim open = judged("C1", {}, lives(0));
  EXPECT_EQ(open.verdict, Verdict::kOpen);
  EXPECT_EQ(open.study, "");
  const Claim refuted = judged("C1", {}, lives(2));
  EXPECT_EQ(refuted.verdict, Verdict::kRefuted);
  EXPECT_EQ(refuted.study, "E16");
  EXPECT_EQ(refuted.figure, 2);
}

TEST(NoInverse, LooksAtEachOfItsStudies) {
  const Rows rows = {recovered("E3", "R12", 1e-9), recovered("E15", "R15", 0.25),
                     recovered("E4", "R1", 0), recovered("E4", "R2", 0)};
  const Points points = {point("E13", "momentum f32", 5, "rf", 0.9999),
                         point("E13", "momentum f32", 20, "rf", 0.995),
                         point("E13", "momentum f32", 200, "rf", -3),
                         point("E13", "momentum f64", 500, "rf", 1),
                         point("E13", "momentum f32 lost-bits", 500, "rf", 1),
                         point("E13", "momentum f32 lost-bits", 500, "exact", 1),
                         point("E13", "adam f32 lost-bits", 500, "exact", 0)};
  const Claim claim = judged("C8", rows, points);
  EXPECT_EQ(claim.verdict, Verdict::kRefuted);
  EXPECT_EQ(claim.study, "E3");
  EXPECT_EQ(claim.figure_is,
            "RF of R12 after adam on m; E15: 0.75, RF of R15 after adam on m; E13: 0.995, RF of "
            "momentum f32 replayed 20 steps; with a log of the lost bits E13 is exact in 1 of 2 "
            "runs");
}

TEST(NoInverse, IsRefutedByAReplayOfItself) {
  const Claim claim = judged("C8", {recovered("E3", "R6", 0.5)},
                             {point("E13", "momentum f32", 5, "rf", 0.9999),
                              point("E13", "momentum f32", 20, "rf", 0.995)});
  EXPECT_EQ(claim.verdict, Verdict::kRefuted);
  EXPECT_EQ(claim.study, "E13");
  EXPECT_EQ(claim.figure, 0.995) << "the longest that is above the bound";
}

TEST(NoInverse, IsRefutedBySiblingsOfThemselves) {
  const Claim claim = judged("C8", {recovered("E15", "R15", 1e-4)}, {});
  EXPECT_EQ(claim.verdict, Verdict::kRefuted);
  EXPECT_EQ(claim.study, "E15");
}

// A log of what rounding lost is side information of every step; that it suffices decides nothing.
TEST(NoInverse, IsNotRefutedByAReplayThatKeepsALog) {
  const Points logs = {point("E13", "momentum f32 lost-bits", 500, "rf", 1),
                       point("E13", "momentum f32 lost-bits", 500, "exact", 1)};
  EXPECT_EQ(judged("C8", {}, logs).study, "");
  const Claim claim = judged("C8", {recovered("E3", "R6", 0.5)}, logs);
  EXPECT_EQ(claim.verdict, Verdict::kOpen);
  EXPECT_TRUE(claim.figure_is.ends_with("with a log of the lost bits E13 is exact in 1 of 1 runs"));
}

TEST(NoInverse, IsNotRefutedByASnapshotOrAJournal) {
  EXPECT_EQ(judged("C8", {recovered("E3", "R1", 0), recovered("E3", "R2", 0)}, {}).study, "");
}

}  // namespace
}  // namespace palinode::experiments
