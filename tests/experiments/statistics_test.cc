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

}  // namespace
}  // namespace palinode::experiments
