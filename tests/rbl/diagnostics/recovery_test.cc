#include "rbl/diagnostics/recovery.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/shaping.h"
#include "tests/rbl/diagnostics/small_models.h"

namespace palinode::rbl {
namespace {

using State = Recoverability::State;

struct RecoveryTest : testing::Test, SmallModels {
  Observation first = observe(f0, theta, probes);
  Departure now() const { return departure(first, observe(f1, changed, probes), theta, changed); }
};

TEST_F(RecoveryTest, OfNothingUndoneIsZeroInAllThree) {
  ledger.commit(noise(changed, 0.1, Rng(3)));
  const Recovery found = recovery(now(), now());
  EXPECT_EQ(found.kl.value, 0);
  EXPECT_EQ(found.js.value, 0);
  EXPECT_EQ(found.geometry.value, 0);
  EXPECT_EQ(found.words, theta.elements());
  EXPECT_LT(found.words_share, 0.01);
  EXPECT_FALSE(found.exact);
}

TEST_F(RecoveryTest, OfACopyPutBackIsWholeInAllThree) {
  ledger.commit(noise(changed, 0.1, Rng(3)));
  const Departure adapted = now();
  ledger.commit(copy_of(theta, changed));
  const Recovery found = recovery(adapted, now());
  EXPECT_TRUE(found.exact);
  EXPECT_EQ(found.words_share, 1);
  EXPECT_EQ(found.kl.value, 1);
  EXPECT_EQ(found.js.value, 1);
  EXPECT_EQ(found.geometry.value, 1);
}

TEST_F(RecoveryTest, OfSubtractedNoiseIsOfTheFunctionAndNotOfTheBits) {
  ledger.commit(noise(changed, 0.1, Rng(3)));
  const Departure adapted = now();
  ledger.commit(subtract_noise(changed, 0.1, Rng(3)));
  const Recovery found = recovery(adapted, now());
  EXPECT_GT(found.kl.value, 1 - 1e-9);
  EXPECT_GT(found.geometry.value, 1 - 1e-5);
  EXPECT_LT(found.words_share, 1);
  EXPECT_FALSE(found.exact);
}

// Hidden units in another order: the same function from weights as far off as they were.
TEST_F(RecoveryTest, OfTheFunctionSaysNothingAboutTheWeights) {
  ledger.commit(noise(changed, 0.1, Rng(3)));
  const Departure adapted = now();
  std::vector<std::int32_t> reversed;
  for (std::int32_t i = 15; i >= 0; --i) reversed.push_back(i);
  const Tensor order = Tensor::from<std::int32_t>(reversed, {16});
  put(changed, "layer.0.weight", take(theta.at("layer.0.weight"), order, 1));
  put(changed, "layer.0.bias", take(theta.at("layer.0.bias"), order));
  put(changed, "layer.1.weight", take(theta.at("layer.1.weight"), order));
  put(changed, "layer.1.bias", theta.at("layer.1.bias"));
  const Recovery found = recovery(adapted, now());
  EXPECT_GT(found.kl.value, 1 - 1e-9);
  EXPECT_LT(found.geometry.value, 0);
  EXPECT_LT(found.words_share, 0.1);
}

TEST_F(RecoveryTest, OfAnUnloadedBehaviorHasNoGeometryAndEveryBit) {
  const Departure adapted = departure(first, observe(shifted, theta, probes), theta, theta);
  EXPECT_GT(adapted.kl, 0.01);
  const Recovery found =
      recovery(adapted, departure(first, observe(f0, theta, probes), theta, theta));
  EXPECT_TRUE(found.exact);
  EXPECT_EQ(found.kl.value, 1);
  EXPECT_EQ(found.geometry.state, State::kUndefined);
}

TEST_F(RecoveryTest, IsNotExactWhileOneOutputBitDiffers) {
  const Departure adapted = departure(first, observe(shifted, theta, probes), theta, theta);
  const Recovery found = recovery(adapted, adapted);
  EXPECT_EQ(found.words_share, 1);
  EXPECT_FALSE(found.exact);
}

TEST(GeometricRecoverability, IsTypedLikeThatOfTheFunction) {
  const Distance still{}, near{.l2 = 1, .largest = 1}, far{.l2 = 3, .largest = 2};
  EXPECT_EQ(geometric_recoverability(still, still).state, State::kUndefined);
  EXPECT_EQ(geometric_recoverability(near, far).value, -2);
  EXPECT_EQ(geometric_recoverability({.l2 = 0, .largest = 0x1p-600}, still).state,
            State::kBelowFloor);
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_THROW(geometric_recoverability(near, {.l2 = inf}), NonFiniteError);
}

}  // namespace
}  // namespace palinode::rbl
