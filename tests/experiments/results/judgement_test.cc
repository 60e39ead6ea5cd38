// How cases make a verdict, and what it names.
#include "experiments/results/judgement.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace palinode::experiments {
namespace {

// The verdict over so many cases that hold, fail and are undecided.
Judgement of(Over over, std::size_t holds, std::size_t fails, std::size_t undecided) {
  Tally tally("it is so", "runs", over);
  const auto add = [&tally](std::size_t count, Case found, const char* name) {
    for (std::size_t i = 0; i < count; ++i) tally.add(found, name + std::to_string(i), "figure");
  };
  add(holds, Case::kHolds, "h");
  add(fails, Case::kFails, "f");
  add(undecided, Case::kUndecided, "u");
  return tally.judgement();
}

TEST(Tally, OverEveryCaseIsSupportedByAllAndRefutedByOne) {
  EXPECT_EQ(of(Over::kEvery, 3, 0, 0).verdict, Verdict::kSupported);
  EXPECT_EQ(of(Over::kEvery, 3, 0, 1).verdict, Verdict::kOpen);
  EXPECT_EQ(of(Over::kEvery, 3, 1, 1).verdict, Verdict::kRefuted);
}

TEST(Tally, OverSomeCaseIsSupportedByOneAndRefutedByAll) {
  EXPECT_EQ(of(Over::kSome, 1, 3, 1).verdict, Verdict::kSupported);
  EXPECT_EQ(of(Over::kSome, 0, 3, 1).verdict, Verdict::kOpen);
  EXPECT_EQ(of(Over::kSome, 0, 3, 0).verdict, Verdict::kRefuted);
}

TEST(Tally, OverEitherIsOpenWhereCasesDisagree) {
  EXPECT_EQ(of(Over::kEither, 3, 0, 0).verdict, Verdict::kSupported);
  EXPECT_EQ(of(Over::kEither, 3, 1, 0).verdict, Verdict::kOpen);
  EXPECT_EQ(of(Over::kEither, 0, 3, 0).verdict, Verdict::kRefuted);
  EXPECT_EQ(of(Over::kEither, 0, 3, 1).verdict, Verdict::kOpen);
}

TEST(Tally, WithoutCasesIsOpenAndSaysSo) {
  for (const Over over : {Over::kEvery, Over::kSome, Over::kEither}) {
    const Judgement judged = of(over, 0, 0, 0);
    EXPECT_EQ(judged.verdict, Verdict::kOpen);
    EXPECT_EQ(judged.detail, "this run has no such runs");
    EXPECT_EQ(count_text(judged), "");
  }
}

TEST(Tally, NamesThreeCasesThatDecideAndCountsTheOthers) {
  EXPECT_EQ(of(Over::kEvery, 2, 5, 1).detail,
            "not for f0: figure; f1: figure; f2: figure; and 2 more; undecided for u0: figure");
  EXPECT_EQ(of(Over::kSome, 1, 5, 0).detail, "holds for h0: figure");
  EXPECT_EQ(of(Over::kEvery, 1, 0, 0).detail, "holds for h0: figure");
  EXPECT_EQ(of(Over::kEvery, 2, 0, 0).detail, "");
  EXPECT_EQ(count_text(of(Over::kEvery, 2, 5, 1)), "2 of 8 runs");
}

TEST(Interval, IsOnASideOfABoundOnlyAsAWhole) {
  const Summary low{1, 1, 0.5, 1.5}, none{0, 0, std::numeric_limits<double>::quiet_NaN(),
                                          std::numeric_limits<double>::quiet_NaN()};
  EXPECT_EQ(below(low, 2), Case::kHolds);
  EXPECT_EQ(below(low, 1.5), Case::kUndecided);
  EXPECT_EQ(below(low, 0.25), Case::kFails);
  EXPECT_EQ(above(low, 0.25), Case::kHolds);
  EXPECT_EQ(above(low, 0.5), Case::kUndecided);
  EXPECT_EQ(above(low, 2), Case::kFails);
  EXPECT_EQ(within(low, 1.5), Case::kHolds);
  EXPECT_EQ(within(low, 1), Case::kUndecided);
  EXPECT_EQ(within(low, 0.25), Case::kFails);
  for (const Case found : {below(none, 0), above(none, 0), within(none, 1)}) {
    EXPECT_EQ(found, Case::kUndecided);
  }
}

TEST(Judgement, IsWrittenWithEveryField) {
  Judgement judged = of(Over::kEvery, 2, 1, 0);
  judged.study = "E2";
  EXPECT_EQ(judgement_json(judged).dump(),
            R"({"study":"E2","statement":"it is so","verdict":"refuted","holds":2,"of":3,)"
            R"("cases":"runs","detail":"not for f0: figure"})");
}

TEST(Pairs, AreOfTheSeedsBothHave) {
  const auto point = [](std::uint64_t seed, double value) {
    Point p;
    p.seed = seed;
    p.value = value;
    return p;
  };
  const Point a1 = point(1, 4), a2 = point(2, 6), b2 = point(2, 1), b3 = point(3, 9);
  CurvePoint a, b;
  a.points = {&a1, &a2};
  b.points = {&b2, &b3};
  EXPECT_EQ(paired_differences(a, b), std::vector<double>{5});
  EXPECT_EQ(value_on(&b, 3), 9);
  EXPECT_NE(value_on(&b, 1), value_on(&b, 1));
}

}  // namespace
}  // namespace palinode::experiments
