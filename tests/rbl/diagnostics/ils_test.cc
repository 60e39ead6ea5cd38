#include "rbl/diagnostics/ils.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/error.h"
#include "tests/rbl/diagnostics/small_models.h"

namespace palinode::rbl {
namespace {

TEST(Ils, ListsFlagsAndNamesTheWorstProbe) {
  const Ils found = ils({.per_input = {0.1, 0.3, 0.05, 0.3}, .mean = 0.1875}, 0.1);
  EXPECT_EQ(found.max, 0.3);
  EXPECT_EQ(found.worst, 1U);
  EXPECT_EQ(found.mean, 0.1875);
  EXPECT_EQ(found.flagged, (std::vector<std::size_t>{1, 3}));
  EXPECT_THROW(ils({}, 0), ShapeError);
}

TEST(Ils, OfAnUnchangedFunctionIsZeroAndOfAnyOtherIsNot) {
  SmallModels models;
  const Tensor before = log_p_of(models.f0, models.probes);
  EXPECT_EQ(ils(kl_divergence(before, log_p_of(models.f1, models.probes)), 0).max, 0);
  const Tensor bias = models.theta.at("layer.1.bias");
  std::vector<float> moved(bias.values<float>().begin(), bias.values<float>().end());
  moved[2] = std::nextafter(moved[2], 10.0F);
  models.put(models.changed, "layer.1.bias", Tensor::from<float>(moved, {4}));
  const Ils found = ils(kl_divergence(before, log_p_of(models.f1, models.probes)), 0);
  EXPECT_GT(found.flagged.size(), 0U);
  EXPECT_GT(found.max, 0);
}

SampledRun run_of(std::vector<double> entropy, std::vector<float> hidden) {
  const std::size_t probes = entropy.size();
  const Shape shape{probes, hidden.size() / probes};
  return {std::move(entropy), Tensor::from<float>(hidden, shape)};
}

TEST(IlsReferenceCode, ComputesItsFormula) {
  const SampledRun a = run_of({1, 2}, {1, 0, 3, 4}), b = run_of({1.5, 2}, {1, 1, 3, 4});
  const Ils found = ils_reference_code({.per_input = {0.2, 0}, .mean = 0.1}, a, b);
  EXPECT_NEAR(found.per_probe[0], 0.5 * 0.2 + 0.3 * 0.5 + 0.2 * (1 - std::sqrt(0.5)), 1e-15);
  EXPECT_EQ(found.per_probe[1], 0);
  EXPECT_NEAR(found.mean, found.per_probe[0] / 2, 1e-16);
  EXPECT_EQ(found.tau, 0.05);
  EXPECT_EQ(found.flagged, std::vector<std::size_t>{0});
}

TEST(IlsReferenceCode, RefusesRunsThatDoNotFitAndStatesWithoutDirection) {
  const Divergence kl{.per_input = {0}, .mean = 0};
  EXPECT_THROW(ils_reference_code(kl, run_of({1, 1}, {1, 1}), run_of({1}, {1})), ShapeError);
  EXPECT_THROW(ils_reference_code(kl, run_of({1}, {1, 1}), run_of({1}, {1})), ShapeError);
  EXPECT_THROW(ils_reference_code(kl, run_of({1}, {0, 0}), run_of({1}, {1, 0})), NonFiniteError);
}

}  // namespace
}  // namespace palinode::rbl
