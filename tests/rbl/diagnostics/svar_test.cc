#include "rbl/diagnostics/svar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "rbl/diagnostics/axes.h"
#include "tensor/error.h"
#include "tests/rbl/diagnostics/small_models.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

struct SvarTest : testing::Test, SmallModels {
  Tensor base = log_p_of(f0, probes), adapted = log_p_of(shifted, probes);
  ParameterAxis phi_noise{phi_family(), phi, with_relative_noise, probes, Rng(4)};
};

TEST_F(SvarTest, IsWithRespectToTheAdaptedFunctionAndZeroForNothing) {
  const Svar found = svar("phi", adapted, base, {.sizes = {0.01, 0.1}, .draws = 10}, phi_noise);
  EXPECT_TRUE(same_bits(log_probabilities(phi_noise(0, 3)), adapted));
  EXPECT_EQ(found.points.size(), 2U);
  EXPECT_GT(found.points[0].envelope.lowest, 0);
  EXPECT_LT(found.points[0].envelope.mean, found.points[1].envelope.mean);
  EXPECT_LT(found.points[1].envelope.mean, found.reference_code_at_0);
}

// What the reference code prints for no perturbation is the size of the behavior, and for one that
// removes the behavior it prints 0: its most robust behavior is none.
TEST_F(SvarTest, ByTheReferenceCodeMeasuresTheBehaviorInstead) {
  const ParameterAxis mask(phi_family(), phi, masked, probes, Rng(4));
  const Svar found = svar("phi", adapted, base, {.sizes = {1}, .draws = 3}, mask);
  const double d_adapt = kl_divergence(base, adapted).mean;
  EXPECT_EQ(found.reference_code_at_0, d_adapt);
  EXPECT_EQ(found.points[0].reference_code.highest, 0);
  EXPECT_EQ(found.points[0].envelope.lowest, kl_divergence(adapted, base).mean);
  EXPECT_GT(found.points[0].envelope.lowest, 0.01);
}

TEST_F(SvarTest, OfSmallNoiseOnASmoothFunctionGrowsWithItsSquare) {
  for (const bool of_theta : {true, false}) {
    const ParameterAxis axis =
        of_theta ? ParameterAxis(mlp_family(), changed, with_relative_noise, probes, Rng(4))
                 : phi_noise;
    const Tensor& whole = of_theta ? base : adapted;
    const Svar found = svar("parameter", whole, base, {.sizes = {1e-3, 2e-3, 4e-3}}, axis);
    ASSERT_TRUE(found.order.has_value());
    EXPECT_NEAR(*found.order, 2, 0.05) << of_theta;
    EXPECT_EQ(found.points[0].draws.size(), 30U);
  }
}

TEST_F(SvarTest, FitsSlopeAndOrderOfAKnownAxis) {
  // A shift of one logit by size s: KL is a function of s alone, s^2 p (1 - p) / 2 to leading
  // order.
  const Tensor flat = log_probabilities(Tensor::zeros({1, 2}, Dtype::kF64));
  const auto axis = [](double size, std::uint64_t) {
    return Tensor::from<double>(std::vector<double>{size, 0}, {1, 2});
  };
  const Svar found = svar("known", flat, flat, {.sizes = {0.01, 0.02}, .draws = 2}, axis);
  EXPECT_NEAR(*found.order, 2, 1e-3);
  const double a = found.points[0].envelope.mean, b = found.points[1].envelope.mean;
  EXPECT_NEAR(a, 0.01 * 0.01 / 8, 1e-8);
  EXPECT_NEAR(found.slope, (0.01 * a + 0.02 * b) / (0.01 * 0.01 + 0.02 * 0.02), 1e-15);
}

TEST_F(SvarTest, RefusesAnAxisThatPerturbsAtSizeZero) {
  const auto axis = [&](double, std::uint64_t) { return nn::evaluate(f0, probes); };
  EXPECT_THROW(svar("runtime", adapted, base, {.sizes = {1}}, axis), Error);
  // Also where only a bit differs that no probability shows.
  const Tensor flat = log_probabilities(Tensor::from<double>(std::vector<double>{0, -800}, {1, 2}));
  const auto tiny = [](double, std::uint64_t) {
    return Tensor::from<double>(std::vector<double>{0, -801}, {1, 2});
  };
  EXPECT_THROW(svar("runtime", flat, flat, {.sizes = {1}}, tiny), Error);
}

TEST_F(SvarTest, RefusesSizesThatDoNotAscendAndNoDraws) {
  EXPECT_MESSAGE(svar("phi", adapted, base, {.sizes = {0.1, 0.1}}, phi_noise), ShapeError,
                 "svar: phi: sizes are positive and ascend, got 0.1 after 0.1");
  EXPECT_THROW(svar("phi", adapted, base, {.sizes = {0}}, phi_noise), ShapeError);
  EXPECT_THROW(svar("phi", adapted, base, {.sizes = {1}, .draws = 0}, phi_noise), ShapeError);
}

TEST_F(SvarTest, LeavesThetaAndPhiAsTheyWere) {
  const Sha256Digest before = fingerprint(phi);
  svar("phi", adapted, base, {.sizes = {0.5}, .draws = 5}, phi_noise);
  EXPECT_EQ(fingerprint(phi), before);
  EXPECT_TRUE(same_bits(log_p_of(shifted, probes), adapted));
}

}  // namespace
}  // namespace palinode::rbl
