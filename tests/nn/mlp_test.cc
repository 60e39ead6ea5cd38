#include "nn/mlp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "optim/adam.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

struct MlpTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  Mlp model{theta, {.sizes = {3, 4, 2}}};
  Tensor x = Rng(1).stream("x").normal({5, 3}, Dtype::kF32);
  MlpTest() { ledger.commit(model.init(Rng(1).stream("init"))); }
};

TEST_F(MlpTest, HasAWeightAndABiasPerLayerStoredInOut) {
  EXPECT_EQ(theta.at("layer.0.weight").shape(), (Shape{3, 4}));
  EXPECT_EQ(theta.at("layer.1.bias").shape(), (Shape{2}));
  EXPECT_EQ(theta.elements(), 3U * 4 + 4 + 4 * 2 + 2);
}

TEST_F(MlpTest, StartsInsideTheBoundOfEachLayer) {
  for (const float w : theta.at("layer.0.weight").values<float>()) {
    EXPECT_LT(std::abs(w), 1 / std::sqrt(3.0F));
  }
}

TEST_F(MlpTest, ComputesItsFormula) {
  const auto at = [&](const char* name, std::size_t i) {
    return static_cast<double>(theta.at(name).values<float>()[i]);
  };
  const Tensor y = evaluate(model, x);
  for (std::size_t row = 0; row < 5; ++row) {
    for (std::size_t out = 0; out < 2; ++out) {
      double want = at("layer.1.bias", out);
      for (std::size_t h = 0; h < 4; ++h) {
        double hidden = at("layer.0.bias", h);
        for (std::size_t in = 0; in < 3; ++in) {
          hidden += static_cast<double>(x.values<float>()[row * 3 + in]) *
                    at("layer.0.weight", in * 4 + h);
        }
        want += std::tanh(hidden) * at("layer.1.weight", h * 2 + out);
      }
      EXPECT_NEAR(y.values<float>()[row * 2 + out], want, 1e-6);
    }
  }
}

TEST_F(MlpTest, GivesARowTheSameBitsWhateverSharesItsBatch) {
  const Tensor all = evaluate(model, x);
  for (std::size_t row = 0; row < 5; ++row) {
    const Tensor alone = evaluate(model, x.rows(row, row + 1));
    EXPECT_EQ(xxh3(alone), xxh3(all.rows(row, row + 1)));
  }
}

TEST_F(MlpTest, InitialValuesDoNotDependOnWhatElseIsInitialized) {
  Ledger other;
  const Store& store = other.open("theta", Role::kIdentity);
  const Mlp wider(store, {.sizes = {3, 4, 7}});
  other.commit(wider.init(Rng(1).stream("init")));
  EXPECT_EQ(xxh3(store.at("layer.0.weight")), xxh3(theta.at("layer.0.weight")));
}

TEST_F(MlpTest, RefusesBadConfigurations) {
  EXPECT_MESSAGE(Mlp(theta, {.sizes = {3}}), ShapeError, "mlp: needs at least two sizes, got 1");
  EXPECT_MESSAGE(Mlp(theta, {.sizes = {3, 2}, .batch_norm = true}), NameError,
                 "mlp: batch_norm needs a store for its statistics");
}

TEST_F(MlpTest, NamesTheShapesOfABadInput) {
  EXPECT_MESSAGE(evaluate(model, Tensor::zeros({5, 4}, Dtype::kF32)), ShapeError,
                 "linear: sizes differ: f32 [5, 4], f32 [3, 4], f32 [4]");
}

struct NormedMlpTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  Mlp model{theta, buffers, {.sizes = {3, 4, 5, 2}, .batch_norm = true}};
  Tensor x = Rng(1).stream("x").normal({16, 3}, Dtype::kF32);

  NormedMlpTest() {
    Proposal proposal{.proposer = "test"};
    for (const Parameter& each : model.parameters()) {
      const Tensor value = Rng(2).stream(each.name).uniform(each.shape, Dtype::kF32, 0.5, 2);
      proposal.writes.push_back({each.store, each.name, value, true});
    }
    ledger.commit(proposal);
  }
};

TEST_F(NormedMlpTest, HasBatchNormAfterEachLayerButTheLast) {
  std::vector<std::string> names;
  for (const Parameter& each : model.parameters()) {
    if (each.name.starts_with("norm")) names.push_back(each.store->name() + "/" + each.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "theta/norm.0.weight", "theta/norm.0.bias", "buffers/norm.0.running_mean",
                       "buffers/norm.0.running_var", "theta/norm.1.weight", "theta/norm.1.bias",
                       "buffers/norm.1.running_mean", "buffers/norm.1.running_var"}));
  EXPECT_EQ(theta.at("norm.1.weight").shape(), (Shape{5}));
  EXPECT_EQ(model.sites(), (std::vector<std::string>{"layer.0", "layer.1", "layer.2"}));
}

// Of the layer before the activation; in eval mode with the running statistics.
TEST_F(NormedMlpTest, ComputesItsFormula) {
  const auto at = [](const Store& store, const std::string& name, std::size_t i) {
    return static_cast<double>(store.at(name).values<float>()[i]);
  };
  const Tensor y = evaluate(model, x);
  for (std::size_t row = 0; row < 16; ++row) {
    std::vector<double> h;
    for (std::size_t i = 0; i < 3; ++i) {
      h.push_back(static_cast<double>(x.values<float>()[row * 3 + i]));
    }
    for (std::size_t l = 0; l < 3; ++l) {
      const std::string layer = "layer." + std::to_string(l), norm = "norm." + std::to_string(l);
      const std::size_t width = model.config().sizes[l + 1];
      std::vector<double> next;
      for (std::size_t out = 0; out < width; ++out) {
        double z = at(theta, layer + ".bias", out);
        for (std::size_t i = 0; i < h.size(); ++i) {
          z += h[i] * at(theta, layer + ".weight", i * width + out);
        }
        if (l == 2) {
          EXPECT_NEAR(y.values<float>()[row * 2 + out], z, 1e-5 * (1 + std::abs(z)));
          continue;
        }
        const double mean = at(buffers, norm + ".running_mean", out);
        const double deviation = std::sqrt(at(buffers, norm + ".running_var", out) + 1e-5);
        next.push_back(std::tanh((z - mean) / deviation * at(theta, norm + ".weight", out) +
                                 at(theta, norm + ".bias", out)));
      }
      h = next;
    }
  }
}

TEST_F(NormedMlpTest, LearnsInTrainModeAndItsStatisticsMoveWithIt) {
  const optim::Adam adam(ledger.open("adam", Role::kOptimizer), theta, {.lr = 0.02});
  const Tensor before = buffers.at("norm.1.running_mean");
  std::vector<std::int32_t> labels;
  for (std::size_t row = 0; row < 16; ++row) {
    labels.push_back(x.values<float>()[row * 3] > 0 ? 1 : 0);
  }
  double first = 0, last = 0;
  for (int step = 0; step < 40; ++step) {
    Tape tape;
    nn::Run run(tape, {.mode = Mode::kTrain});
    const Var logits = model.forward(run, tape.constant(x));
    const Var loss = cross_entropy(logits, Tensor::from<std::int32_t>(labels, {16}));
    Proposal proposal = adam.propose(backward(loss));
    run.add_buffers(proposal);
    ledger.commit(proposal);
    last = loss.value().item();
    if (step == 0) first = last;
  }
  EXPECT_LT(last, first / 2);
  EXPECT_NE(xxh3(buffers.at("norm.1.running_mean")), xxh3(before));
}

}  // namespace
}  // namespace palinode::nn
