#include "nn/mlp.h"

#include <gtest/gtest.h>

#include <cmath>

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

TEST_F(MlpTest, RefusesASingleSize) {
  EXPECT_MESSAGE(Mlp(theta, {.sizes = {3}}), ShapeError, "mlp: needs at least two sizes, got 1");
}

TEST_F(MlpTest, NamesTheShapesOfABadInput) {
  EXPECT_MESSAGE(evaluate(model, Tensor::zeros({5, 4}, Dtype::kF32)), ShapeError,
                 "linear: sizes differ: f32 [5, 4], f32 [3, 4], f32 [4]");
}

}  // namespace
}  // namespace palinode::nn
