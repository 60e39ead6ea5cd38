#include "nn/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/rng.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

// The tokens 0 to 3 with probabilities 0.1, 0.4, 0.2, 0.3.
Tensor four() {
  const std::vector<double> logits = {std::log(0.1), std::log(0.4), std::log(0.2), std::log(0.3)};
  return Tensor::from<double>(logits, {1, 4});
}

// How often each token of `four` comes, of n draws.
std::vector<double> shares(const Sampling& sampling, std::size_t n) {
  const Rng rng(3);
  std::vector<double> count(4, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    count[static_cast<std::size_t>(sample(four(), sampling, rng.uniform(i)))] +=
        1 / static_cast<double>(n);
  }
  return count;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& want) {
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 0.02) << i;
}

TEST(Sampling, DrawsEachTokenAsOftenAsItsProbabilitySays) {
  expect_near(shares({}, 10000), {0.1, 0.4, 0.2, 0.3});
}

TEST(Sampling, ATemperatureOfTwoTakesTheRootOfTheProbabilities) {
  const double sum = std::sqrt(0.1) + std::sqrt(0.4) + std::sqrt(0.2) + std::sqrt(0.3);
  expect_near(shares({.temperature = 2}, 10000), {std::sqrt(0.1) / sum, std::sqrt(0.4) / sum,
                                                  std::sqrt(0.2) / sum, std::sqrt(0.3) / sum});
}

TEST(Sampling, TopKLeavesTheMostProbable) {
  expect_near(shares({.top_k = 2}, 10000), {0, 4.0 / 7, 0, 3.0 / 7});
  EXPECT_EQ(shares({.top_k = 2}, 1000)[0], 0);
  EXPECT_EQ(shares({.top_k = 9}, 1000), shares({}, 1000));
}

TEST(Sampling, TopPLeavesTheFewestThatHaveTheProbability) {
  const std::vector<double> two = shares({.top_p = 0.65}, 10000);
  EXPECT_EQ(two[0] + two[2], 0);
  expect_near(shares({.top_p = 0.75}, 10000), {0, 4.0 / 9, 2.0 / 9, 3.0 / 9});
  EXPECT_EQ(sample(four(), {.top_p = 0.01}, 0.999), 1);
}

TEST(Sampling, TemperatureZeroTakesTheMostProbableAndOfEqualsTheFirst) {
  EXPECT_EQ(sample(four(), {.temperature = 0}, 0.99), 1);
  const std::vector<float> equal = {1, 2, 2, 2};
  EXPECT_EQ(sample(Tensor::from<float>(equal, {4}), {.temperature = 0}, 0.99), 1);
}

TEST(Sampling, TheSameNumberGivesTheSameToken) {
  EXPECT_EQ(sample(four(), {}, 0.0), 1);  // sorted: 1, 3, 2, 0
  EXPECT_EQ(sample(four(), {}, 0.39), 1);
  EXPECT_EQ(sample(four(), {}, 0.41), 3);
  EXPECT_EQ(sample(four(), {}, 0.71), 2);
  EXPECT_EQ(sample(four(), {}, 0.999999), 0);
}

TEST(Sampling, ATokenOfLogitMinusInfinityIsNeverDrawn) {
  const float none = -std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {none, 0, none};
  for (const double u : {0.0, 0.5, 0x1.fffffffffffffp-1}) {
    EXPECT_EQ(sample(Tensor::from<float>(logits, {3}), {}, u), 1);
  }
}

TEST(Sampling, RefusesWhatHasNoProbabilities) {
  const Tensor nan = Tensor::full<float>({3}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_MESSAGE(sample(nan, {}, 0.5), NonFiniteError, "sample: a logit is NaN");
  const Tensor none = Tensor::full<float>({3}, -std::numeric_limits<float>::infinity());
  EXPECT_MESSAGE(sample(none, {}, 0.5), NonFiniteError, "sample: the largest logit is infinite");
  EXPECT_MESSAGE(sample(Tensor::zeros({2, 3}, Dtype::kF32), {}, 0.5), ShapeError,
                 "sample: needs one row of logits, got f32 [2, 3]");
  EXPECT_MESSAGE(sample(four(), {.temperature = -1}, 0.5), ShapeError,
                 "sample: needs a temperature from 0 and top_p in (0, 1], got temperature -1, "
                 "top_p 1");
  EXPECT_THROW(sample(four(), {.top_p = 0}, 0.5), ShapeError);
}

}  // namespace
}  // namespace palinode::nn
