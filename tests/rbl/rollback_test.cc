#include "rbl/rollback.h"

#include <gtest/gtest.h>

#include "nn/mlp.h"
#include "rbl/metrics.h"
#include "rbl/mutate.h"
#include "rbl/rollback/arms.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

constexpr double kAlpha = 0.01;

// An identity, and a mutated copy of it to roll back.
struct RollbackTest : testing::Test {
  Ledger ledger;
  const Store& original = ledger.open("original", Role::kIdentity);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  nn::Mlp model{theta, {.sizes = {16, 32, 8}}};
  Rng stream = Rng(1).stream("noise");

  RollbackTest() {
    ledger.commit(model.init(Rng(1).stream("init")));
    ledger.commit(copy_of(theta, original));
  }

  std::uint64_t words_after(Rollback& arm) {
    arm.before(theta);
    ledger.commit(noise(theta, kAlpha, stream));
    arm.after(theta);
    Subject subject(ledger, theta, model);
    arm.undo(subject);
    return words_changed(original, theta);
  }
};

TEST_F(RollbackTest, NoiseIsDrawnPerParameterAndElement) {
  ledger.commit(noise(theta, kAlpha, stream));
  const float before = original.at("layer.1.bias").values<float>()[3];
  const float z = static_cast<float>(stream.stream("layer.1.bias").normal(3));
  EXPECT_EQ(theta.at("layer.1.bias").values<float>()[3], before + static_cast<float>(kAlpha) * z);
}

TEST_F(RollbackTest, NoneLeavesEveryWordChanged) {
  EXPECT_GT(words_after(*no_rollback()), theta.elements() * 99 / 100);
}

TEST_F(RollbackTest, SnapshotBringsEveryBitBackForTheSizeOfTheIdentity) {
  const auto arm = snapshot();
  EXPECT_EQ(words_after(*arm), 0U);
  EXPECT_EQ(arm->bytes_kept(), theta.bytes());
  EXPECT_EQ(fingerprint(theta), fingerprint(original));
}

TEST_F(RollbackTest, SubtractingTheDeltaBringsBackAlmostAllWords) {
  const auto arm = subtract_delta();
  const std::uint64_t changed = words_after(*arm);
  EXPECT_GT(changed, 0U);
  EXPECT_LT(changed, theta.elements() / 5);
  EXPECT_LT(relative_distance(original, theta), 1e-8);
  EXPECT_EQ(arm->bytes_kept(), theta.bytes());
}

TEST_F(RollbackTest, SubtractingRegeneratedNoiseNeedsEightBytes) {
  const auto arm = subtract_seeded_noise(kAlpha, stream);
  const std::uint64_t changed = words_after(*arm);
  EXPECT_GT(changed, 0U);
  EXPECT_LT(changed, theta.elements() / 2);
  EXPECT_LT(relative_distance(original, theta), 1e-7);
  EXPECT_EQ(arm->bytes_kept(), 8U);
}

TEST_F(RollbackTest, NoiseOfAnotherSeedIsNoInverse) {
  EXPECT_GT(words_after(*subtract_seeded_noise(kAlpha, Rng(2).stream("noise"))),
            theta.elements() * 99 / 100);
  EXPECT_GT(relative_distance(original, theta), 0.01);
}

TEST_F(RollbackTest, FineTuningGoesThroughTheLedgerItIsGiven) {
  const std::uint64_t before = ledger.sequence();
  const auto arm = fine_tune_back(
      [](Ledger& own, const Store& store) { own.commit(noise(store, 1e-3, Rng(3))); });
  words_after(*arm);
  EXPECT_EQ(ledger.sequence() - before, 2 * theta.entries().size());
}

TEST_F(RollbackTest, AnEstimateByTheCallersOwnTrainingSubtractsWhatThatMoved) {
  const auto arm = subtract_estimated_delta(
      [this](Ledger& own, const Store& store) { own.commit(noise(store, kAlpha, stream)); });
  EXPECT_GT(words_after(*arm), 0U);
  EXPECT_LT(relative_distance(original, theta), 1e-6);
  EXPECT_EQ(arm->bytes_kept(), 0U);
}

TEST_F(RollbackTest, AnAscentOfTheCallersOwnEndsWhereAStepIsRefused) {
  std::size_t steps = 0;
  const auto arm = gradient_ascent([&](Ledger& own, const Store& store) {
    own.commit(noise(store, 1, stream));
    ++steps;
    throw NonFiniteError("a step was refused");
  });
  words_after(*arm);
  EXPECT_EQ(steps, 1U);
  EXPECT_GT(relative_distance(original, theta), 1);
}

TEST_F(RollbackTest, AnAscentDoesNotHideAnotherError) {
  const auto arm =
      gradient_ascent([](Ledger&, const Store&) { throw FormatError("not about a step"); });
  EXPECT_THROW(words_after(*arm), FormatError);
}

TEST_F(RollbackTest, RetrainingByTheCallersOwnTrainingBeginsAtTheFirstValues) {
  const auto first = [](const Store& store) {
    return nn::Mlp(store, {.sizes = {16, 32, 8}}).init(Rng(1).stream("init"));
  };
  std::uint64_t changed = 0;
  const auto arm = retrain(first, [&](Ledger& own, const Store& store) {
    changed = words_changed(original, store);  // the identity here is its first values
    own.commit(noise(store, 1e-3, Rng(3)));
  });
  EXPECT_GT(words_after(*arm), 0U);
  EXPECT_EQ(changed, 0U);
  EXPECT_EQ(arm->bytes_kept(), 8U);
}

}  // namespace
}  // namespace palinode::rbl
