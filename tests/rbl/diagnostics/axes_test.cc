#include "rbl/diagnostics/axes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tests/rbl/diagnostics/small_models.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

double relative_size(const Tensor& noisy, const Tensor& w) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < w.elements(); ++i) {
    const double a = w.values<float>()[i], b = noisy.values<float>()[i];
    difference += (b - a) * (b - a);
    norm += a * a;
  }
  return std::sqrt(difference / norm);
}

NamedValues two_scales() {
  const Tensor small = Rng(1).stream("small").uniform({40, 50}, Dtype::kF32, -1e-4, 1e-4);
  const Tensor large = Rng(1).stream("large").uniform({40, 50}, Dtype::kF32, -1e3, 1e3);
  return {{"small", small}, {"large", large}, {"zero", Tensor::zeros({5}, Dtype::kF32)}};
}

TEST(RelativeNoise, HasTheSameShareOfEveryTensor) {
  const NamedValues w = two_scales();
  const NamedValues noisy = with_relative_noise(w, 0.03, 0, Rng(9));
  EXPECT_NEAR(relative_size(noisy[0].value, w[0].value), 0.03, 0.002);
  EXPECT_NEAR(relative_size(noisy[1].value, w[1].value), 0.03, 0.002);
  EXPECT_TRUE(same_bits(noisy[2].value, w[2].value));
}

TEST(RelativeNoise, IsOneStreamForEachTensorAndDraw) {
  const NamedValues w = two_scales();
  const NamedValues first = with_relative_noise(w, 0.1, 7, Rng(9));
  EXPECT_TRUE(same_bits(first[0].value, with_relative_noise(w, 0.1, 7, Rng(9))[0].value));
  EXPECT_FALSE(same_bits(first[0].value, with_relative_noise(w, 0.1, 8, Rng(9))[0].value));
  // Tensors that are alike get different noise.
  const NamedValues twins = {{"a", w[0].value}, {"b", w[0].value}};
  const NamedValues noisy = with_relative_noise(twins, 0.1, 7, Rng(9));
  EXPECT_FALSE(same_bits(noisy[0].value, noisy[1].value));
}

TEST(RelativeNoise, OfSizeZeroKeepsEveryBit) {
  const NamedValues w = {{"w", Tensor::from<float>(std::vector<float>{-0.0F, 1, 0x1p-140F}, {3})}};
  EXPECT_TRUE(same_bits(with_relative_noise(w, 0, 0, Rng(9))[0].value, w[0].value));
  EXPECT_TRUE(same_bits(masked(w, 0, 0, Rng(9))[0].value, w[0].value));
}

TEST(Masked, ZeroesItsShare) {
  const NamedValues w = two_scales();
  const Tensor found = masked(w, 0.3, 0, Rng(9))[0].value;
  const auto zeros = std::ranges::count(found.values<float>(), 0.0F);
  EXPECT_NEAR(static_cast<double>(zeros) / 2000, 0.3, 0.05);
  EXPECT_EQ(std::ranges::count(masked(w, 1, 0, Rng(9))[0].value.values<float>(), 0.0F), 2000);
}

TEST(PerturbedOrder, IsAPermutationAndTheIdentityWithoutSwaps) {
  EXPECT_EQ(perturbed_order(4, 0, 3, Rng(1)), (std::vector<std::size_t>{0, 1, 2, 3}));
  std::set<std::vector<std::size_t>> seen;
  for (std::uint64_t draw = 0; draw < 50; ++draw) {
    const std::vector<std::size_t> order = perturbed_order(4, 5, draw, Rng(1));
    EXPECT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), 4U);
    seen.insert(order);
  }
  EXPECT_GT(seen.size(), 6U);
  EXPECT_EQ(perturbed_order(2, 1, 0, Rng(1)), (std::vector<std::size_t>{1, 0}));
  EXPECT_THROW(perturbed_order(1, 1, 0, Rng(1)), ShapeError);
}

struct AxesTest : testing::Test, SmallModels {
  Tensor adapted = nn::evaluate(shifted, probes);
  double moved(const Tensor& logits) const {
    return kl_divergence(log_probabilities(adapted), log_probabilities(logits)).mean;
  }
};

TEST_F(AxesTest, TopologyComposesInTheOrderDrawn) {
  std::vector<std::vector<std::size_t>> orders;
  const Compose compose = [&](std::span<const std::size_t> order) {
    orders.emplace_back(order.begin(), order.end());
    return std::make_unique<Shifted>(f0, phi);
  };
  const TopologyAxis axis(compose, 3, probes, Rng(1));
  axis(0, 0);
  axis(1, 0);
  EXPECT_EQ(orders[0], (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_NE(orders[1], orders[0]);
  EXPECT_EQ(orders[1], perturbed_order(3, 1, 0, Rng(1)));
  EXPECT_MESSAGE(axis(0.5, 0), ShapeError, "topology: a size is a whole number up to 1e6, got 0.5");
}

// A subject whose behavior is loaded and unloaded; `fault` is called at every load.
struct Loading {
  const SmallModels* models;
  std::function<void()> fault = [] {};
  std::optional<Shifted> loaded = std::nullopt;

  Lifecycle lifecycle() {
    return {.load = [this]() -> const nn::Model& {
              if (!loaded) {
                fault();
                loaded.emplace(models->f0, models->phi);
              }
              return *loaded;
            },
            .unload = [this]() -> const nn::Model& {
              loaded.reset();
              return models->f0;
            }};
  }
};

TEST_F(AxesTest, LoadingAndUnloadingAHealthySubjectChangesNoBit) {
  Loading subject{.models = this};
  const RuntimeAxis runtime(subject.lifecycle(), probes, Rng(1));
  const ResetAxis reset(subject.lifecycle(), probes);
  for (const double size : {0.0, 1.0, 4.0}) {
    EXPECT_TRUE(same_bits(runtime(size, 2), adapted)) << size;
    EXPECT_TRUE(same_bits(reset(size, 2), adapted)) << size;
  }
}

TEST_F(AxesTest, AFaultInLoadingShowsOnBothAxes) {
  int loads = 0;
  Loading subject{.models = this, .fault = [&] {
                    if (++loads == 1) return;
                    put(phi, "shift", Tensor::full<float>({16}, static_cast<float>(loads)));
                  }};
  const RuntimeAxis runtime(subject.lifecycle(), probes, Rng(1));
  EXPECT_EQ(moved(runtime(0, 0)), 0);
  EXPECT_GT(moved(runtime(2, 0)), 1e-3);
  Loading other{.models = this, .fault = subject.fault};
  const ResetAxis reset(other.lifecycle(), probes);
  EXPECT_GT(moved(reset(1, 0)), 1e-3);
  EXPECT_GT(loads, 3);
}

TEST_F(AxesTest, EnvironmentAddsNoiseRelativeToEachInput) {
  Tensor seen;
  const Planted spy([&](nn::Run& run, Var x) {
    seen = x.value();
    return f0.forward(run, x);
  });
  const EnvironmentAxis axis(spy, probes, Rng(1));
  EXPECT_TRUE(same_bits(axis(0, 0), nn::evaluate(f0, probes)));
  axis(0.05, 0);
  EXPECT_NEAR(relative_size(seen, probes), 0.05, 0.01);
  EXPECT_TRUE(same_bits(axis(0.05, 0), axis(0.05, 0)));
  EXPECT_FALSE(same_bits(axis(0.05, 0), axis(0.05, 1)));
}

TEST_F(AxesTest, EnvironmentReplacesTokensOfAVocabulary) {
  Tensor seen;
  const Planted spy([&](nn::Run& run, Var x) {
    seen = x.value();
    return run.tape().constant(Tensor::zeros({x.shape()[0], 2}, Dtype::kF32));
  });
  const Tensor tokens = Tensor::full<std::int32_t>({20, 50}, 3);
  const EnvironmentAxis axis(spy, tokens, Rng(1), 11);
  axis(0.2, 0);
  const auto kept = std::ranges::count(seen.values<std::int32_t>(), 3);
  EXPECT_NEAR(1 - static_cast<double>(kept) / 1000, 0.2 * 10 / 11, 0.05);
  for (const std::int32_t token : seen.values<std::int32_t>()) EXPECT_LT(token, 11);
  EXPECT_THROW(EnvironmentAxis(spy, tokens, Rng(1)), DtypeError);
  EXPECT_THROW(EnvironmentAxis(f0, probes, Rng(1), 11), DtypeError);
}

}  // namespace
}  // namespace palinode::rbl
