#include "rbl/diagnostics/sampled_run.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nn/gpt.h"
#include "tensor/error.h"
#include "tests/rbl/diagnostics/small_models.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

TEST(SiteInput, IsWhatTheLayerGets) {
  const SmallModels models;
  EXPECT_TRUE(same_bits(site_input(models.f0, "layer.0", models.probes), models.probes));
  Tape tape;
  const Var x = tape.constant(models.probes);
  const Var w = tape.parameter(models.theta, "layer.0.weight");
  const Var b = tape.parameter(models.theta, "layer.0.bias");
  const Var hidden = tanh(linear(x, w, b));
  EXPECT_TRUE(same_bits(site_input(models.f0, "layer.1", models.probes), hidden.value()));
  EXPECT_MESSAGE(site_input(models.f0, "head", models.probes), NameError,
                 "site_input: the function has no site head");
}

TEST(SampledOutputs, AreFrequenciesNearTheProbabilities) {
  const Tensor log_p = log_probabilities(
      Tensor::from<double>(std::vector<double>{0, 1, 2, -1000, 3, 3, 3, 3}, {2, 4}));
  const Tensor found = sampled_outputs(log_p, 4000, Rng(5));
  for (std::size_t i = 0; i < 8; ++i) {
    const double p = std::exp(log_p.values<double>()[i]);
    const double seen = std::exp(found.values<double>()[i]);
    EXPECT_NEAR(seen, p, 5 * std::sqrt(p * (1 - p) / 4000)) << i;
  }
  EXPECT_EQ(found.values<double>()[3], -INFINITY);
}

TEST(SampledOutputs, DependOnTheStreamAlone) {
  const Tensor log_p = log_probabilities(Rng(1).normal({5, 7}, Dtype::kF64));
  const Tensor found = sampled_outputs(log_p, 20, Rng(5));
  EXPECT_TRUE(same_bits(found, sampled_outputs(log_p, 20, Rng(5))));
  EXPECT_FALSE(same_bits(found, sampled_outputs(log_p, 20, Rng(6))));
  // Rows that are alike are drawn apart.
  const Tensor twins = Tensor::zeros({2, 7}, Dtype::kF64);
  const Tensor drawn = sampled_outputs(log_probabilities(twins), 20, Rng(5));
  EXPECT_FALSE(same_bits(drawn.rows(0, 1).copy(), drawn.rows(1, 2).copy()));
  const Tensor nan = Tensor::full<double>({1, 2}, std::nan(""));
  EXPECT_THROW(sampled_outputs(nan, 20, Rng(5)), NonFiniteError);
  EXPECT_THROW(sampled_outputs(log_p, 0, Rng(5)), ShapeError);
}

TEST(SampledRun, OfOneModelDiffersFromStreamToStream) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Gpt gpt(theta, {.vocab = 12, .context = 16, .layers = 1, .heads = 2, .width = 16});
  ledger.commit(gpt.init(Rng(1)));
  const Tensor prompts = Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4}, {2, 2});
  const SampledRun run = sampled_run(gpt, prompts, {.tokens = 6}, Rng(1));
  EXPECT_EQ(run.entropy.size(), 2U);
  EXPECT_EQ(run.hidden.shape(), (Shape{2, 16}));
  for (const double entropy : run.entropy) {
    EXPECT_GT(entropy, 0);
    EXPECT_LE(entropy, std::log(12.0));
  }
  const SampledRun again = sampled_run(gpt, prompts, {.tokens = 6}, Rng(1));
  EXPECT_EQ(run.entropy, again.entropy);
  EXPECT_TRUE(same_bits(run.hidden, again.hidden));
  const SampledRun other = sampled_run(gpt, prompts, {.tokens = 6}, Rng(2));
  EXPECT_NE(run.entropy, other.entropy);
  EXPECT_THROW(sampled_run(gpt, prompts, {.temperature = 0}, Rng(1)), ShapeError);
  EXPECT_THROW(sampled_run(gpt, prompts, {.tokens = 0}, Rng(1)), ShapeError);
}

}  // namespace
}  // namespace palinode::rbl
