#include "experiments/results/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"

namespace palinode::experiments {
namespace {

TEST(Summary, HasMeanAndMedian) {
  const std::vector<double> values{1, 2, 3, 10};
  const Summary summary = summarize(values, "test");
  EXPECT_EQ(summary.mean, 4);
  EXPECT_EQ(summary.median, 2.5);
  EXPECT_LT(summary.lo, 4);
  EXPECT_GT(summary.hi, 4);
  EXPECT_GE(summary.lo, 1);
  EXPECT_LE(summary.hi, 10);
}

TEST(Summary, OfEqualValuesHasNoWidth) {
  const std::vector<double> values{1, 1, 1};
  const Summary summary = summarize(values, "test");
  EXPECT_EQ(summary.lo, 1);
  EXPECT_EQ(summary.hi, 1);
}

TEST(Summary, IntervalCoversTheTruthAboutAsOftenAsItSays) {
  // 200 samples of 20 normal values; the percentile bootstrap is known to fall a little short of 95
  // %.
  int covered = 0;
  for (std::uint64_t s = 0; s < 200; ++s) {
    const Tensor z = Rng(s).stream("cover").normal({20}, Dtype::kF64);
    const Summary summary = summarize(z.values<double>(), std::to_string(s));
    covered += summary.lo < 0 && summary.hi > 0 ? 1 : 0;
  }
  EXPECT_GE(covered, 200 * 88 / 100);
  EXPECT_LE(covered, 200 * 98 / 100);
}

TEST(Summary, IntervalHasTheWidthOfTheStandardError) {
  const Tensor z = Rng(1).stream("width").normal({100}, Dtype::kF64);
  const Summary summary = summarize(z.values<double>(), "test");
  EXPECT_NEAR(summary.hi - summary.lo, 2 * 1.96 / 10, 0.08);
}

TEST(Summary, IsRepeatable) {
  const std::vector<double> values{1, 2, 3, 10, -4};
  EXPECT_EQ(summarize(values, "test").lo, summarize(values, "test").lo);
}

TEST(Summary, OfNothingIsAnError) { EXPECT_THROW(summarize({}, "test"), ShapeError); }

TEST(NestedSummary, IsTheUsualOneWhereTheProbesDoNotVary) {
  const std::vector<double> values{0.5, 0.75, 0.25, 1, 0.125};
  std::vector<std::vector<double>> inner;
  for (const double value : values) inner.push_back(std::vector<double>(32, value));
  const Summary plain = summarize(values, "test"), nested = summarize_nested(values, inner, "test");
  EXPECT_EQ(nested.mean, plain.mean);
  EXPECT_EQ(nested.median, plain.median);
  EXPECT_EQ(nested.lo, plain.lo);
  EXPECT_EQ(nested.hi, plain.hi);
}

TEST(NestedSummary, IsWiderWhereTheProbesVary) {
  const std::vector<double> values{0.5, 0.55, 0.45, 0.52, 0.48, 0.5};
  double last = 0;
  for (const double spread : {0.0, 0.1, 0.3}) {
    std::vector<std::vector<double>> inner(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Tensor z = Rng(i).stream("inner").normal({32}, Dtype::kF64);
      for (const double each : z.values<double>()) inner[i].push_back(values[i] + spread * each);
    }
    const Summary nested = summarize_nested(values, inner, "test");
    EXPECT_GT(nested.hi - nested.lo, last) << spread;
    EXPECT_EQ(nested.mean, summarize(values, "test").mean);
    last = nested.hi - nested.lo;
  }
}

TEST(NestedSummary, OfASeedWithoutProbesIsAnError) {
  const std::vector<double> values{1, 2};
  const std::vector<std::vector<double>> one{{1}}, empty{{1}, {}};
  EXPECT_THROW(summarize_nested(values, one, "test"), ShapeError);
  EXPECT_THROW(summarize_nested(values, empty, "test"), ShapeError);
}

// Worked by hand: p(k) times the number that are left, never below the one before, at most 1.
TEST(Holm, AdjustsAsItsWorkedExamples) {
  const auto expect_holm = [](const std::vector<double>& p, const std::vector<double>& want) {
    const std::vector<double> got = holm(p);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-15) << i;
  };
  expect_holm({0.01, 0.04, 0.03, 0.005}, {0.03, 0.06, 0.06, 0.02});
  expect_holm({0.01, 0.02, 0.03, 0.04, 0.05}, {0.05, 0.08, 0.09, 0.09, 0.09});
  expect_holm({0.02, 0.6, 0.02, 0.5}, {0.08, 1, 0.08, 1});
  expect_holm({0.25}, {0.25});
  expect_holm({}, {});
}

TEST(BootstrapP, RejectsATrueNullAboutAsOftenAsItSays) {
  int rejected = 0;
  constexpr int kTrials = 400;
  for (std::uint64_t s = 0; s < kTrials; ++s) {
    const Tensor z = Rng(s).stream("null").normal({20}, Dtype::kF64);
    rejected += bootstrap_p(z.values<double>(), std::to_string(s)) < 0.05 ? 1 : 0;
  }
  // The percentile bootstrap of 20 values rejects a little more often: 5 % to 8 %.
  EXPECT_GE(rejected, kTrials * 3 / 100);
  EXPECT_LE(rejected, kTrials * 10 / 100);
}

TEST(BootstrapP, FallsWithTheDifferenceAndIsTwoSided) {
  const Tensor z = Rng(1).stream("shift").normal({20}, Dtype::kF64);
  const auto p_of = [&z](double shift, double sign) {
    std::vector<double> moved;
    for (const double each : z.values<double>()) moved.push_back(sign * (each + shift));
    return bootstrap_p(moved, "test");
  };
  EXPECT_GT(p_of(0.2, 1), p_of(0.8, 1));
  EXPECT_EQ(p_of(5, 1), 2.0 / 10001);  // no resample on the other side of 0
  EXPECT_EQ(p_of(0.5, 1), p_of(0.5, -1));
  EXPECT_EQ(bootstrap_p(std::vector<double>{0, 0, 0}, "test"), 1);
}

TEST(Slope, IsThatOfTheLeastSquares) {
  EXPECT_EQ(slope(std::vector<double>{0, 1, 2}, std::vector<double>{1, 3, 5}), 2);
  // About the means Sxy = 4 and Sxx = 5.
  EXPECT_NEAR(slope(std::vector<double>{1, 2, 3, 4}, std::vector<double>{1, 3, 2, 4}), 0.8, 1e-15);
  EXPECT_EQ(slope(std::vector<double>{4, 1, 3}, std::vector<double>{7, 7, 7}), 0);
}

TEST(Slope, NeedsTwoDifferentPlaces) {
  const std::vector<double> one{1}, two{1, 2}, same{3, 3};
  EXPECT_THROW(slope(one, one), ShapeError);
  EXPECT_THROW(slope(same, two), ShapeError);
  EXPECT_THROW(slope(two, one), ShapeError);
}

}  // namespace
}  // namespace palinode::experiments
