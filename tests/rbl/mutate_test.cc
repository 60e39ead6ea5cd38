// Mutations through the door: noise, pruning, quantizing, merging, training, each with its reason.
#include "rbl/mutate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "rbl/merge.h"
#include "tensor/error.h"
#include "tests/rbl/pilot.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

std::vector<float> as_floats(const Tensor& t) {
  const auto v = t.values<float>();
  return {v.begin(), v.end()};
}

struct MutateTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& marks = ledger.open("marks", Role::kBuffer);

  MutateTest() {
    const std::vector<float> w = {0.5F, -0.1F, 2.0F, -3.0F, 0.1F, 1.0F};
    const std::vector<float> b = {0.05F, -0.2F};
    ledger.commit({.proposer = "test",
                   .writes = {{&theta, "w", Tensor::from<float>(w, {3, 2}), true},
                              {&theta, "b", Tensor::from<float>(b, {2}), true}}});
  }
  LowRankDelta delta(float a = 0.5F) const {
    return {{"w", Tensor::full<float>({3, 1}, a), Tensor::full<float>({1, 2}, 0.1F), 2.0}};
  }
};

TEST_F(MutateTest, GlobalPruningTakesTheSmallestOfAll) {
  const Proposal proposal = prune(theta, PruneRule::kGlobal, 0.5);
  EXPECT_EQ(proposal.reason, Reason::kPrune);
  ledger.commit(proposal);
  EXPECT_EQ(as_floats(theta.at("w")), (std::vector<float>{0.5F, 0, 2, -3, 0, 1}));
  EXPECT_EQ(as_floats(theta.at("b")), (std::vector<float>{0, 0}));
}

TEST_F(MutateTest, PruningPerTensorTakesAShareOfEach) {
  ledger.commit(prune(theta, PruneRule::kPerTensor, 0.5));
  EXPECT_EQ(as_floats(theta.at("w")), (std::vector<float>{0, 0, 2, -3, 0, 1}));
  EXPECT_EQ(as_floats(theta.at("b")), (std::vector<float>{0, -0.2F}));
}

TEST_F(MutateTest, EqualMagnitudesGoInTheOrderOfTheStore) {
  ledger.commit(prune(theta, PruneRule::kGlobal, 2.0 / 8));
  EXPECT_EQ(as_floats(theta.at("w")), (std::vector<float>{0.5F, 0, 2, -3, 0.1F, 1}));
  EXPECT_EQ(as_floats(theta.at("b")), (std::vector<float>{0, -0.2F}));
}

TEST_F(MutateTest, RandomPruningIsThatOfItsSeed) {
  const auto zeros = [&](std::uint64_t seed) {
    const Store& copy = ledger.open(
        "copy." + std::to_string(seed) + "." + std::to_string(ledger.sequence()), Role::kIdentity);
    ledger.commit(copy_of(theta, copy));
    ledger.commit(prune(copy, PruneRule::kRandom, 0.5, Rng(seed)));
    return as_floats(copy.at("w"));
  };
  EXPECT_EQ(zeros(1), zeros(1));
  EXPECT_NE(zeros(1), zeros(2));
}

TEST_F(MutateTest, PruningAllLeavesNothingAndNoneLeavesAll) {
  EXPECT_TRUE(prune(theta, PruneRule::kGlobal, 0).writes.empty());
  ledger.commit(prune(theta, PruneRule::kPerTensor, 1));
  EXPECT_EQ(as_floats(theta.at("w")), std::vector<float>(6, 0.0F));
  EXPECT_MESSAGE(prune(theta, PruneRule::kGlobal, NAN), Error,
                 "prune: the fraction is between 0 and 1, got nan");
}

TEST_F(MutateTest, NoiseInNarrowStorageIsRoundedToIt) {
  ledger.commit(quantize(theta, Storage::kBf16));
  ledger.commit(noise(theta, 0.01, Rng(1), Storage::kBf16));
  for (const Entry& entry : theta.entries()) {
    EXPECT_TRUE(same_bits(entry.value, stored(entry.value, Storage::kBf16)));
  }
}

TEST_F(MutateTest, QuantizingTwiceIsQuantizingOnceIn16Bits) {
  for (const Storage storage : {Storage::kBf16, Storage::kF16}) {
    const Tensor w = Rng(3).stream("w").normal({5, 7}, Dtype::kF32);
    const Tensor once = stored(w, storage);
    EXPECT_TRUE(same_bits(stored(once, storage), once));
    EXPECT_FALSE(same_bits(once, w));
  }
}

TEST_F(MutateTest, Int8IsWithinHalfALevelOfTheRow) {
  const Tensor w = Rng(3).stream("w").normal({5, 7}, Dtype::kF32);
  const Packed packed(w, Storage::kInt8);
  EXPECT_EQ(packed.bytes(), 5U * 7 + 5 * 4);
  const Tensor back = packed.unpack();
  for (std::size_t r = 0; r < 5; ++r) {
    float largest = 0;
    for (std::size_t c = 0; c < 7; ++c) {
      largest = std::max(largest, std::abs(w.values<float>()[r * 7 + c]));
    }
    for (std::size_t c = 0; c < 7; ++c) {
      EXPECT_NEAR(back.values<float>()[r * 7 + c], w.values<float>()[r * 7 + c],
                  largest / 127 / 2 * 1.001F);
    }
  }
  const Proposal proposal = quantize(theta, Storage::kInt8);
  EXPECT_EQ(proposal.reason, Reason::kQuantize);
  EXPECT_THROW(stored(Tensor::full<float>({2}, INFINITY), Storage::kInt8), NonFiniteError);
  EXPECT_TRUE(same_bits(stored(Tensor::zeros({2, 2}, Dtype::kF32), Storage::kInt8),
                        Tensor::zeros({2, 2}, Dtype::kF32)));
}

TEST_F(MutateTest, MergingAddsTheScaledProduct) {
  const Proposal proposal = add_low_rank(theta, delta(), {});
  EXPECT_EQ(proposal.reason, Reason::kMerge);
  const Tensor before = theta.at("w");
  ledger.commit(proposal);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(theta.at("w").values<float>()[i], before.values<float>()[i] + 2.0F * (0.5F * 0.1F));
  }
  EXPECT_EQ(subtract_low_rank(theta, delta(), {}).reason, Reason::kSubtract);
}

TEST_F(MutateTest, ADeltaThatDoesNotFitIsRefused) {
  LowRankDelta wrong = delta();
  wrong[0].a = Tensor::zeros({4, 1}, Dtype::kF32);
  EXPECT_THROW(add_low_rank(theta, wrong, {}), ShapeError);
  wrong[0].weight = "x";
  EXPECT_THROW(add_low_rank(theta, wrong, {}), NameError);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  ledger.commit({.proposer = "test",
                 .writes = {{&phi, "w.lora_A", Tensor::zeros({3, 1}, Dtype::kF32), true}}});
  EXPECT_THROW(low_rank_of(phi, 1), NameError);
}

TEST_F(MutateTest, KeptWordsComeBackLastMergeFirst) {
  Merges merges(theta, marks, {});
  const Sha256Digest before = fingerprint(theta);
  ledger.commit(merges.merge(delta()));
  ledger.commit(merges.merge(delta(0.25F)));
  EXPECT_EQ(merges.bytes_kept(), 2U * 6 * 4);
  EXPECT_MESSAGE(merges.unmerge(delta()), Error,
                 "unmerge: kept words come back last merge first; this is merge 1 of 2 into theta");
  ledger.commit(merges.unmerge(delta(0.25F)));
  ledger.commit(merges.unmerge(delta()));
  EXPECT_EQ(fingerprint(theta), before);
  EXPECT_EQ(merges.bytes_kept(), 0U);
}

TEST_F(MutateTest, ABehaviorTrainedSinceItsMergeIsNotTheOneThatWasMerged) {
  Merges merges(theta, marks, {.undo = Merges::Undo::kSubtract});
  ledger.commit(merges.merge(delta()));
  EXPECT_MESSAGE(merges.unmerge(delta(0.75F)), Error,
                 "unmerge: this behavior, as it is now, is not merged into theta");
}

TEST_F(MutateTest, AFrozenIdentityTakesNoMerge) {
  ledger.freeze(theta);
  Merges merges(theta, marks, {});
  EXPECT_THROW(ledger.commit(merges.merge(delta())), FrozenError);
  EXPECT_FALSE(merges.merged(delta()));
}

TEST_F(MutateTest, TrainingHasTheReasonItIsGiven) {
  Pilot pilot;
  for (const auto& reason : {std::optional<Reason>{}, std::optional(Reason::kPolicyGradient)}) {
    Ledger own(Ledger::Level::kSummary, testing::TempDir() + "reason.jsonl");
    const Store& copy = own.open("copy", Role::kIdentity);
    own.commit(copy_of(pilot.original, copy));
    const nn::Mlp function(copy, Pilot::config());
    const Work work = run(own, copy, function, pilot.adaptation(sgd({}), 2),
                          {.state = "state", .reason = reason});
    EXPECT_EQ(work.passes, 2U);
    std::ifstream file(testing::TempDir() + "reason.jsonl");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    EXPECT_NE(text.find(reason ? "\"policy-gradient\"" : "\"sgd\""), std::string::npos);
    EXPECT_EQ(text.find(reason ? "\"sgd\"" : "\"policy-gradient\""), std::string::npos);
  }
}

}  // namespace
}  // namespace palinode::rbl
