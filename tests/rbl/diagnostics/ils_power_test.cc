#include "rbl/diagnostics/ils_power.h"

#include <gtest/gtest.h>

#include <vector>

#include "nn/gpt.h"
#include "rbl/diagnostics/ils.h"
#include "rbl/diagnostics/sampled_run.h"
#include "tensor/error.h"
#include "tests/rbl/diagnostics/small_models.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

NullDistribution null_of(std::size_t n) {
  return null_distribution("test", n, [n](std::uint64_t r) { return static_cast<double>(n - r); });
}

TEST(Tau, IsTheRankThatKeepsTheRate) {
  EXPECT_EQ(calibrated_tau(null_of(19), 0.05), 19);
  EXPECT_EQ(calibrated_tau(null_of(99), 0.05), 95);
  EXPECT_EQ(calibrated_tau(null_of(9), 0.5), 5);
  EXPECT_MESSAGE(calibrated_tau(null_of(18), 0.05), ShapeError,
                 "tau: 18 repeats can't calibrate a false positive rate of 0.05");
  EXPECT_THROW(calibrated_tau(null_of(18), 0), ShapeError);
}

TEST(Tau, IsExceededByFreshScoresAtMostAsOftenAsWanted) {
  const auto score = [](std::uint64_t r) { return Rng(1).uniform(r); };
  const double tau = calibrated_tau(null_distribution("uniform", 999, score), 0.05);
  const Rate rate = detection_rate(tau, 4000, [&](std::uint64_t r) { return score(5000 + r); });
  EXPECT_GT(rate.hi, 0.04);
  EXPECT_LT(rate.lo, 0.06);
}

// Every pair of a leak and a null, one by one.
double counted_area(const std::vector<double>& null, const std::vector<double>& leaked) {
  double won = 0;
  for (const double leak : leaked) {
    for (const double each : null) won += leak > each ? 1 : leak == each ? 0.5 : 0;
  }
  return won / static_cast<double>(null.size() * leaked.size());
}

NullDistribution of_scores(const std::vector<double>& scores) {
  return null_distribution("test", scores.size(), [&](std::uint64_t r) { return scores[r]; });
}

TEST(Roc, ItsAreaIsTheShareOfPairsWonWithTiesHalf) {
  EXPECT_EQ(roc_area(of_scores({1, 2, 3}), std::vector<double>{4, 5}), 1);
  EXPECT_EQ(roc_area(of_scores({1, 2, 3}), std::vector<double>{0, -1}), 0);
  EXPECT_EQ(roc_area(of_scores({0, 0, 0}), std::vector<double>{0, 0}), 0.5);
  EXPECT_EQ(roc_area(of_scores({1, 2}), std::vector<double>{2}), 0.75);
  // Few different values, so that many are equal.
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Rng rng(seed);
    std::vector<double> null, leaked;
    for (std::uint64_t r = 0; r < 30 + seed; ++r) {
      null.push_back(static_cast<double>(rng.stream("null").below(r, 6)));
    }
    for (std::uint64_t r = 0; r < 25; ++r) {
      leaked.push_back(static_cast<double>(rng.stream("leak").below(r, 8)));
    }
    EXPECT_DOUBLE_EQ(roc_area(of_scores(null), leaked), counted_area(null, leaked)) << seed;
  }
}

TEST(Roc, HasThePowerAtEachRateByTheThresholdOfThatRate) {
  const NullDistribution null = null_of(99);  // 1 to 99
  const std::vector<double> leaked = {10, 60, 95, 96, 100}, rates = {0.01, 0.05, 0.5};
  const std::vector<RocPoint> curve = roc(null, leaked, rates);
  ASSERT_EQ(curve.size(), 3U);
  EXPECT_EQ(curve[0].true_positives, 0.2);  // above 99
  EXPECT_EQ(curve[1].true_positives, 0.4);  // above 95, which is no detection itself
  EXPECT_EQ(curve[2].true_positives, 0.8);  // above 50
  for (std::size_t i = 0; i < rates.size(); ++i) EXPECT_EQ(curve[i].false_positives, rates[i]);
}

TEST(Roc, RefusesNoScoresAndARateThatIsTooSmall) {
  const std::vector<double> none, one = {1}, rates = {0.01};
  EXPECT_MESSAGE(roc_area(null_of(3), none), ShapeError,
                 "ROC against test: 3 scores of the null and 0 of the leak");
  EXPECT_MESSAGE(roc_area({.source = "test", .scores = {}}, one), ShapeError,
                 "ROC against test: 0 scores of the null and 1 of the leak");
  EXPECT_MESSAGE(roc(null_of(99), none, rates), ShapeError, "ROC against test: no scores");
  EXPECT_MESSAGE(roc(null_of(98), one, rates), ShapeError,
                 "tau: 98 repeats can't calibrate a false positive rate of 0.01");
}

TEST(PlantLeak, TouchesOneProbeOnly) {
  const Tensor log_p = log_probabilities(Rng(1).normal({8, 5}, Dtype::kF64));
  const Divergence found = kl_divergence(log_p, plant_leak(log_p, 3, 0.5));
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(found.per_input[i] > 0, i == 3) << i;
  EXPECT_TRUE(same_bits(plant_leak(log_p, 3, 0), log_p));
  EXPECT_THROW(plant_leak(log_p, 8, 1), ShapeError);
}

struct IlsPower : testing::Test {
  // 64 probes and 10 classes.
  Tensor log_p = log_probabilities(Rng(2).normal({64, 10}, Dtype::kF64));
  PowerCurve power(std::vector<double> sizes, const PowerConfig& config) const {
    return ils_power(
        log_p, sizes, [&](double size) { return plant_leak(log_p, 17, size); }, config, Rng(3));
  }
};

TEST_F(IlsPower, OfTheOutputsThemselvesHasANullOfZeroAndFindsEverything) {
  const PowerCurve curve = power({1e-9, 1e-3}, {.draws = 0, .repeats = 40});
  EXPECT_EQ(curve.null_max.scores, std::vector<double>(40, 0.0));
  EXPECT_EQ(curve.tau_mean, 0);
  EXPECT_EQ(curve.tau_max, 0);
  for (const LeakPower& leak : curve.leaks) {
    EXPECT_EQ(leak.by_max.rate, 1) << leak.size;
    EXPECT_EQ(leak.by_mean.rate, 1) << leak.size;
    EXPECT_GT(leak.kl, 0);
  }
}

TEST_F(IlsPower, OfSampledAnswersFindsALeakOfNoSizeAtTheWantedRate) {
  const PowerCurve curve = power({0}, {.draws = 50, .repeats = 200, .false_positives = 0.1});
  EXPECT_GT(curve.tau_mean, 0);
  EXPECT_LT(curve.leaks[0].by_mean.lo, 0.1);
  EXPECT_LT(curve.leaks[0].by_max.lo, 0.1);
  EXPECT_GT(curve.leaks[0].by_mean.hits + curve.leaks[0].by_max.hits, 0U);
}

TEST_F(IlsPower, OfTheMaximumFindsTheOneProbeThatTheMeanHides) {
  const PowerCurve curve = power({1.5, 6}, {.draws = 200, .repeats = 100});
  const LeakPower& large = curve.leaks[1];
  EXPECT_GT(large.by_max.lo, 0.9);
  EXPECT_LT(large.by_mean.hi, large.by_max.lo);
  EXPECT_LE(curve.leaks[0].by_max.rate, large.by_max.rate);
}

// The reference code's score has its noise from sampled text; a change that the outputs show on
// every probe stays inside it.
TEST(IlsPowerOfTheReferenceCode, IsThatOfChanceWhereTheOutputsShowEverything) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& leaked = ledger.open("leaked", Role::kIdentity);
  const nn::GptConfig config{.vocab = 12, .context = 16, .layers = 1, .heads = 2, .width = 16};
  const nn::Gpt f0(theta, config), f1(leaked, config);
  ledger.commit(f0.init(Rng(1)));
  ledger.commit(copy_of(theta, leaked));
  ledger.commit(noise(leaked, 1e-4, Rng(2)));
  const Tensor prompts = Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4}, {2, 2});
  const Divergence no_kl{.per_input = {0, 0}, .mean = 0};
  const SampledRun before = sampled_run(f0, prompts, {.tokens = 8}, Rng(1));
  const auto score = [&](const nn::Model& function, std::uint64_t r) {
    const SampledRun after = sampled_run(function, prompts, {.tokens = 8}, Rng(2).stream(r));
    return ils_reference_code(no_kl, before, after).mean;
  };
  const NullDistribution null =
      null_distribution("sampled text", 39, [&](std::uint64_t r) { return score(f0, r); });
  EXPECT_GT(null.scores.front(), 0);
  const double tau = calibrated_tau(null, 0.05);
  const Rate by_code = detection_rate(tau, 40, [&](std::uint64_t r) { return score(f1, 100 + r); });
  EXPECT_LT(by_code.rate, 0.3);
  const Ils by_outputs = ils(kl_divergence(log_p_of(f0, prompts), log_p_of(f1, prompts)), 0);
  EXPECT_EQ(by_outputs.flagged.size(), by_outputs.per_probe.size());
}

}  // namespace
}  // namespace palinode::rbl
