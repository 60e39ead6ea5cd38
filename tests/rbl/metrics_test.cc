#include "rbl/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"
#include "tests/support/bits.h"

namespace palinode::rbl {
namespace {

Tensor random_logits(std::uint64_t seed, double size) {
  const Tensor z = Rng(seed).stream("z").normal({50, 10}, Dtype::kF64);
  std::vector<double> x(z.values<double>().begin(), z.values<double>().end());
  for (double& v : x) v *= size;
  return Tensor::from<double>(x, {50, 10});
}

Tensor row(std::vector<double> p) {
  for (double& x : p) x = std::log(x);
  return Tensor::from<double>(p, {1, p.size()});
}

TEST(Divergence, OfAFunctionWithItselfIsExactlyZero) {
  const Tensor p = log_probabilities(random_logits(1, 3));
  EXPECT_EQ(kl_divergence(p, p).mean, 0);
  EXPECT_EQ(js_divergence(p, p).mean, 0);
}

TEST(Divergence, AgreesWithItsDefinition) {
  const Tensor p = log_probabilities(random_logits(1, 2)),
               q = log_probabilities(random_logits(2, 2));
  const std::span<const double> lp = p.values<double>(), lq = q.values<double>();
  long double kl = 0, js = 0;
  for (std::size_t i = 0; i < lp.size(); ++i) {
    const long double a = std::exp(static_cast<long double>(lp[i])),
                      b = std::exp(static_cast<long double>(lq[i])), m = (a + b) / 2;
    kl += a * (std::log(a) - std::log(b));
    js += (a * (std::log(a) - std::log(m)) + b * (std::log(b) - std::log(m))) / 2;
  }
  EXPECT_NEAR(kl_divergence(p, q).mean, static_cast<double>(kl / 50), 1e-13);
  EXPECT_NEAR(js_divergence(p, q).mean, static_cast<double>(js / 50), 1e-13);
}

TEST(Divergence, GivesTheTextbookFigureForTwoCoins) {
  const Tensor fair = row({0.5, 0.5}), biased = row({0.9, 0.1});
  EXPECT_NEAR(kl_divergence(fair, biased).mean, 0.5 * std::log(0.5 / 0.9) + 0.5 * std::log(5.0),
              1e-15);
  EXPECT_NE(kl_divergence(fair, biased).mean, kl_divergence(biased, fair).mean);
  EXPECT_NEAR(js_divergence(fair, biased).mean, js_divergence(biased, fair).mean, 1e-16);
}

TEST(Divergence, OfAlmostEqualDistributionsKeepsItsDigits) {
  // For p = (1/2, 1/2) and q = (1/2 + e, 1/2 - e): KL = 2 e^2 + O(e^4), JS = KL / 4.
  const double e = 0x1p-40;
  const Tensor p = row({0.5, 0.5}), q = row({0.5 + e, 0.5 - e});
  EXPECT_NEAR(kl_divergence(p, q).mean / (2 * e * e), 1, 1e-3);
  EXPECT_NEAR(js_divergence(p, q).mean / (e * e / 2), 1, 1e-3);
}

TEST(Divergence, IsNeverNegativeAndJsNeverAboveLn2) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const double size = seed % 2 == 0 ? 1e-9 : 40;
    const Tensor base = random_logits(7, 2), other = random_logits(seed, size);
    std::vector<double> moved(base.values<double>().begin(), base.values<double>().end());
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += other.values<double>()[i];
    const Tensor p = log_probabilities(base);
    const Tensor q = log_probabilities(Tensor::from<double>(moved, {50, 10}));
    for (const double d : kl_divergence(p, q).per_input) EXPECT_GE(d, 0);
    for (const double d : js_divergence(p, q).per_input) {
      EXPECT_GE(d, 0);
      EXPECT_LE(d, std::log(2.0) + 1e-12);
    }
  }
}

TEST(Divergence, StandsProbabilitiesDownToTheSmallestThereAre) {
  for (const double gap : {600.0, 700.0, 715.0, 740.0, 746.0, 1e4, 1e30}) {
    const Tensor p = log_probabilities(Tensor::from<double>(std::vector<double>{0, -gap}, {1, 2}));
    const Tensor q = log_probabilities(Tensor::from<double>(std::vector<double>{-gap, 0}, {1, 2}));
    const Tensor half = row({0.5, 0.5});
    EXPECT_NEAR(kl_divergence(p, half).mean, std::log(2.0), 1e-12) << gap;
    EXPECT_NEAR(kl_divergence(p, q).mean / gap, 1, 1e-12) << gap;
    EXPECT_NEAR(js_divergence(p, q).mean, std::log(2.0), 1e-12) << gap;
  }
}

TEST(Divergence, RefusesOutputsThatAreNotNumbers) {
  const Tensor p = row({0.5, 0.5});
  const Tensor nan = Tensor::full<double>({1, 2}, std::nan(""));
  EXPECT_THROW(kl_divergence(p, nan), NonFiniteError);
  EXPECT_THROW(js_divergence(nan, p), NonFiniteError);
}

TEST(Divergence, OfDisjointDistributionsIsInfiniteAndLn2) {
  const Tensor p = row({1, 0}), q = row({0, 1});
  EXPECT_EQ(kl_divergence(p, q).mean, std::numeric_limits<double>::infinity());
  EXPECT_NEAR(js_divergence(p, q).mean, std::log(2.0), 1e-15);
}

TEST(Divergence, HasTheSameBitsOnEveryTarget) {
  const Tensor a = random_logits(1, 3), b = random_logits(2, 3);
  const std::vector<double> want =
      kl_divergence(log_probabilities(a), log_probabilities(b)).per_input;
  for_each_simd([&] {
    EXPECT_SAME_BITS(std::span<const double>(
                         kl_divergence(log_probabilities(a), log_probabilities(b)).per_input),
                     std::span<const double>(want));
  });
}

TEST(Divergence, RefusesOutputsOfDifferentShapes) {
  EXPECT_THROW(kl_divergence(row({0.5, 0.5}), row({0.2, 0.3, 0.5})), ShapeError);
}

TEST(Recoverability, IsOneForFullZeroForNoneAndNegativeForWorse) {
  EXPECT_EQ(recoverability(2, 0).value, 1);
  EXPECT_EQ(recoverability(2, 2).value, 0);
  EXPECT_EQ(recoverability(2, 6).value, -2);
  EXPECT_EQ(recoverability(2, 6).state, Recoverability::State::kValue);
}

TEST(Recoverability, HasNoNumberWhereNothingWasLost) {
  EXPECT_EQ(recoverability(0, 0).state, Recoverability::State::kUndefined);
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(recoverability(1, inf).state, Recoverability::State::kUndefined);
  EXPECT_EQ(recoverability(1e-30, 0).state, Recoverability::State::kBelowFloor);
}

// The limit, 1, would say that all came back.
TEST(Recoverability, OfAnInfiniteLossIsANumberOnlyIfNothingIsLeft) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(recoverability(inf, 0).value, 1);
  EXPECT_EQ(recoverability(inf, 0).state, Recoverability::State::kValue);
  EXPECT_EQ(recoverability(inf, 1).state, Recoverability::State::kUndefined);
  EXPECT_EQ(recoverability(inf, inf).state, Recoverability::State::kUndefined);
  EXPECT_EQ(recoverability(1e-20, 1e300).state, Recoverability::State::kUndefined);
}

struct Stores : testing::Test {
  Ledger ledger;
  const Store& a = ledger.open("a", Role::kIdentity);
  const Store& b = ledger.open("b", Role::kIdentity);
  void put(const Store& store, std::vector<float> values) {
    const Shape shape{values.size()};
    ledger.commit(
        {.proposer = "t", .writes = {{&store, "w", Tensor::from<float>(values, shape), true}}});
  }
};

TEST_F(Stores, WordsChangedCountsBitsNotValues) {
  put(a, {1, 0, 3, 4});
  put(b, {1, -0.0F, 3.0000002F, 4});
  EXPECT_EQ(words_changed(a, b), 2U);
}

TEST_F(Stores, RelativeDistanceIsThatOfTheNorms) {
  put(a, {3, 4});
  put(b, {3, 5});
  EXPECT_DOUBLE_EQ(relative_distance(a, b), 1.0 / 5);
}

TEST_F(Stores, DistanceHasNormsLargestAndWords) {
  put(a, {3, 4});
  put(b, {6, 0});
  const Distance found = distance(a, b);
  EXPECT_DOUBLE_EQ(found.l2, 5);
  EXPECT_DOUBLE_EQ(found.norm, 5);
  EXPECT_EQ(found.largest, 4);
  EXPECT_EQ(found.words, 2U);
  EXPECT_EQ(found.words_changed, 2U);
}

TEST_F(Stores, OfDifferentParametersAreNotComparable) {
  put(a, {1, 2});
  EXPECT_THROW(words_changed(a, b), NameError);
  put(b, {1, 2, 3});
  EXPECT_THROW(words_changed(a, b), ShapeError);
}

TEST(Top1, CountsTheInputsWhoseAnswerDiffers) {
  const Tensor a = Tensor::from<float>(std::vector<float>{1, 0, 0, 1}, {2, 2});
  const Tensor b = Tensor::from<float>(std::vector<float>{1, 0, 1, 0}, {2, 2});
  EXPECT_EQ(top1_changed(a, b), 0.5);
  EXPECT_EQ(accuracy(a, Tensor::from<std::int32_t>(std::vector<std::int32_t>{0, 0}, {2})), 0.5);
}

}  // namespace
}  // namespace palinode::rbl
