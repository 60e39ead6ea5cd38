// Each arm: what it brings back, what it keeps, and what it refuses.
#include "rbl/rollback/arms.h"

#include <gtest/gtest.h>

#include <set>

#include "nn/gpt.h"
#include "rbl/mutate.h"
#include "tensor/error.h"
#include "tests/rbl/pilot.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

struct ArmsTest : testing::Test, Pilot {
  using Test = testing::Test;
  static constexpr std::uint64_t kSteps = 40;

  Course momentum_course(std::uint64_t steps = kSteps) const {
    return adaptation(sgd({.lr = 0.02, .momentum = 0.9}), steps);
  }
  template <class... Made>
  static Arms list(Made... made) {
    Arms arms;
    (arms.push_back(std::move(made)), ...);
    return arms;
  }
  std::uint64_t size() const { return original.bytes(); }
};

TEST(ArmTable, HasNineteenArmsInOrder) {
  ASSERT_EQ(arms().size(), 19U);
  for (std::size_t i = 0; i < arms().size(); ++i) {
    EXPECT_EQ(arms()[i].id, "R" + std::to_string(i));
    EXPECT_FALSE(arms()[i].text.empty());
  }
}

TEST(ArmTable, SaysWhatAnArmNeeds) {
  EXPECT_EQ(arm_info("R0").needs.to_string(), "nothing");
  EXPECT_EQ(arm_info("R7").needs.to_string(), "original-data, outputs");
  EXPECT_EQ(arm_info("R11").needs.to_string(), "batches, optimizer-state");
  EXPECT_TRUE(arm_info("R1").needs.contains(Need::kTheta));
  EXPECT_FALSE(arm_info("R17").needs.contains(Need::kTheta));
  EXPECT_FALSE(arm_info("R13").undoes);
  EXPECT_MESSAGE(arm_info("R19"), NameError, "rollback: the arms are R0 to R18, got \"R19\"");
}

TEST_F(ArmsTest, TheJournalBringsEveryBitBackForLessThanACopyOfEveryStep) {
  const Arms arms = list(journal(), snapshot());
  const Adapted adapted = adapt(momentum_course(), arms);
  const Outcome back = undo(adapted, arms[0]);
  EXPECT_EQ(back.words, 0U);
  EXPECT_EQ(back.rf, 1.0);
  EXPECT_LT(back.price.bytes_kept, kSteps * size());
  EXPECT_GT(back.price.bytes_kept, size());
}

TEST_F(ArmsTest, TheJournalUndoesAForkOfTheSameValuesAndNoOther) {
  const Arms arms = list(journal());
  const Adapted adapted = adapt(momentum_course(), arms);
  EXPECT_EQ(undo(adapted, arms[0]).words, 0U);
  EXPECT_EQ(undo(adapted, arms[0]).words, 0U);
  Subject elsewhere(ledger, original, model);
  EXPECT_MESSAGE(arms[0]->undo(elsewhere), Error, "R2: original is not what the journal ends at");
}

TEST_F(ArmsTest, TheJournalNoticesAWriteItWasNotToldOf) {
  const auto arm = journal();
  const Store& theta = fork(original);
  arm->before(theta);
  ledger.commit(quantize(theta, Storage::kBf16));
  EXPECT_MESSAGE(
      arm->after(theta), Error,
      "R2: " + theta.name() + " was written without after_step, so the journal has a gap");
}

TEST_F(ArmsTest, ALossyDeltaKeepsFewerBytesAndBringsBackLess) {
  const Arms arms = list(subtract_delta(), subtract_lossy_delta({.storage = Storage::kBf16}),
                         subtract_lossy_delta({.storage = Storage::kInt8}),
                         subtract_lossy_delta({.noise = 0.1, .rng = rng.stream("noise")}),
                         subtract_lossy_delta({.noise = 0.5, .rng = rng.stream("noise")}));
  const Adapted adapted = adapt(momentum_course(), arms);
  const Outcome full = undo(adapted, arms[0]), bf16 = undo(adapted, arms[1]);
  const Outcome int8 = undo(adapted, arms[2]), ten = undo(adapted, arms[3]);
  const Outcome fifty = undo(adapted, arms[4]);
  EXPECT_EQ(full.price.bytes_kept, size());
  EXPECT_EQ(bf16.price.bytes_kept, size() / 2);
  std::uint64_t rows = 0;
  for (const Entry& entry : original.entries()) rows += entry.value.shape().rows();
  EXPECT_EQ(int8.price.bytes_kept, original.elements() + 4 * rows);
  EXPECT_EQ(ten.price.bytes_kept, size());
  EXPECT_LT(full.distance, bf16.distance);
  EXPECT_LT(bf16.distance, int8.distance);
  EXPECT_LT(ten.distance, fifty.distance);
  EXPECT_GT(full.rf, 1 - 1e-9);
  EXPECT_GT(bf16.rf, 0.999);
  EXPECT_GT(ten.rf, 0.99);
  EXPECT_LT(fifty.rf, ten.rf);
}

TEST_F(ArmsTest, AnEstimatedDeltaIsTheAdaptationDoneAgainAndSubtracted) {
  const Course course = momentum_course();
  const Arms arms = list(subtract_estimated_delta(course));
  const Adapted adapted = adapt(course, arms);
  const Store& again = fork(adapted.theta);
  const nn::Mlp function(again, config());
  run(ledger, again, function, course, {.state = "again"});
  const Values moved = zip(values_of(again), values_of(adapted.theta), kMinus);
  const Values expected = zip(values_of(adapted.theta), moved, kMinus);
  const Store& theta = fork(adapted.theta);
  const nn::Mlp subject_function(theta, config());
  Subject subject(ledger, theta, subject_function);
  arms[0]->undo(subject);
  EXPECT_TRUE(same_bits(values_of(theta), expected));
  EXPECT_EQ(arms[0]->price().passes, kSteps);
  EXPECT_EQ(arms[0]->price().bytes_kept, 0U);
}

TEST_F(ArmsTest, DistillingKeepsTheAnswersOnly) {
  const Distillation config{.inputs = probes,
                            .log_p = log_p,
                            .batch = 64,
                            .steps = 200,
                            .optimizer = adam({.lr = 1e-3}),
                            .rng = rng.stream("distil")};
  const Arms arms = list(distil_back(config));
  const Adapted adapted = adapt(momentum_course(), arms);
  const Outcome back = undo(adapted, arms[0]);
  EXPECT_EQ(back.price.bytes_kept, 768U * 10 * sizeof(float));
  EXPECT_EQ(back.price.passes, 200U);
  EXPECT_GT(back.rf, 0.9);
  EXPECT_GT(back.words, 0U);
}

// Two windows of five tokens: ten answers of eleven classes. The noise before makes the answers to
// one window useless for the other, so that a row beside the wrong input is seen.
TEST(Distillation, OfATextKeepsAnAnswerToEachToken) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const nn::Gpt model(theta, {.vocab = 11, .context = 8, .layers = 1, .heads = 2, .width = 8});
  ledger.commit(model.init(Rng(1)));
  ledger.commit(noise(theta, 1, Rng(4)));
  const Tensor text =
      Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 4, 9, 0, 2, 10, 3, 3, 7, 5}, {2, 5});
  const auto answers = [&] { return log_probabilities(nn::evaluate(model, text).compact()); };
  const Tensor f0 = answers();
  const auto arm = distil_back({.inputs = text,
                                .log_p = f0,
                                .batch = 2,
                                .steps = 200,
                                .optimizer = adam({.lr = 1e-2}),
                                .rng = Rng(2)});
  ledger.commit(noise(theta, 0.3, Rng(3)));
  const double moved = kl_divergence(f0, answers()).mean;
  Subject subject(ledger, theta, model);
  arm->undo(subject);
  EXPECT_LT(kl_divergence(f0, answers()).mean, 0.02 * moved);
  EXPECT_EQ(arm->price().bytes_kept, 10U * 11 * sizeof(float));
  EXPECT_MESSAGE(
      distil_back({.inputs = text, .log_p = f0.slice(0, 0, 9), .optimizer = adam({.lr = 1e-2})}),
      ShapeError,
      "distil: needs inputs [n, ...] and log_p [n * answers, classes] with n > 0, and a batch: "
      "i32 [2, 5], f64 [9, 11]");
}

TEST_F(ArmsTest, GradientAscentClimbsTheLossOfTheAdaptation) {
  const Course course = momentum_course(200);
  const Arms arms = list(gradient_ascent(adaptation(sgd({.lr = 0.1}), 50)));
  const Adapted adapted = adapt(course, arms);
  const Store& theta = fork(adapted.theta);
  const nn::Mlp function(theta, config());
  const auto loss = [&] {
    double total = 0;
    for (std::uint64_t t = 0; t < 50; ++t) {
      Tape tape;
      nn::Run run(tape);
      total += course.loss(run, function, t).value().item();
    }
    return total;
  };
  const double before = loss();
  Subject subject(ledger, theta, function);
  arms[0]->undo(subject);
  EXPECT_GT(loss(), before);
}

TEST_F(ArmsTest, UnmergingOnceAndAThousandTimesIsNotExact) {
  const Store& phi = ledger.open("phi", Role::kBehavior);
  Proposal proposal{.proposer = "test"};
  for (const char* site : {"layer.0", "layer.1"}) {
    const std::string name = site;
    const Shape& w = original.at(name + ".weight").shape();
    const Tensor a = rng.stream(name + "a").uniform({w[0], 4}, Dtype::kF32, -0.25, 0.25);
    const Tensor b = rng.stream(name + "b").uniform({4, w[1]}, Dtype::kF32, -0.25, 0.25);
    proposal.writes.push_back({&phi, PoolString(name + ".lora_A"), a, true});
    proposal.writes.push_back({&phi, PoolString(name + ".lora_B"), b, true});
  }
  ledger.commit(proposal);
  const LowRankDelta delta = low_rank_of(phi, 8.0);
  ASSERT_EQ(delta.size(), 2U);
  const Store& theta = fork(original);
  ledger.commit(add_low_rank(theta, delta, {}));
  const Adapted merged{theta, theta, divergence(theta)};
  ASSERT_GT(merged.kl, 0.01);
  const auto once = subtract_merged(delta, {}), often = subtract_merged(delta, {}, 1000);
  for (const auto* arm : {&once, &often}) {
    const Outcome back = undo(merged, **arm);
    EXPECT_GT(back.words, 0U);
    EXPECT_LT(back.words, theta.elements() / 2);
    EXPECT_GT(back.rf, 1 - 1e-9);
    EXPECT_EQ(back.price.bytes_kept, phi.bytes());
  }
  EXPECT_EQ(often->price().flops, 1999 * once->price().flops);
}

TEST_F(ArmsTest, APartialSnapshotPutsBackWhatChangedMost) {
  const Arms arms =
      list(partial_snapshot(0, Grain::kElement), partial_snapshot(0.1, Grain::kElement),
           partial_snapshot(0.5, Grain::kElement), partial_snapshot(1, Grain::kElement),
           partial_snapshot(0.5, Grain::kTensor), partial_snapshot(1, Grain::kTensor));
  const Adapted adapted = adapt(momentum_course(), arms);
  const std::uint64_t n = original.elements(), entries = original.entries().size();
  EXPECT_EQ(undo(adapted, arms[0]).rf, 0.0);
  const Outcome tenth = undo(adapted, arms[1]), half = undo(adapted, arms[2]);
  EXPECT_LT(tenth.distance, relative_distance(original, adapted.theta));
  EXPECT_LT(half.distance, tenth.distance);
  EXPECT_GT(half.rf, tenth.rf);
  const Outcome all = undo(adapted, arms[3]);
  EXPECT_EQ(all.words, 0U);
  EXPECT_EQ(all.price.bytes_kept, n * (4 + 4) + entries * 4);
  EXPECT_LE(undo(adapted, arms[4]).price.bytes_kept, n / 2 * 4 + entries * 4);
  EXPECT_GT(undo(adapted, arms[4]).words, 0U);
  EXPECT_EQ(undo(adapted, arms[5]).words, 0U);
  EXPECT_MESSAGE(partial_snapshot(1.5, Grain::kElement), Error,
                 "R16: the share is between 0 and 1, got 1.5");
}

TEST_F(ArmsTest, RetrainingFromTheSeedGivesEveryBit) {
  const auto init = [this](const Store& theta) {
    return nn::Mlp(theta, config()).init(rng.stream("init"));
  };
  const Arms arms = list(retrain(init, base_course(rng)));
  const Adapted adapted = adapt(momentum_course(), arms);
  const Outcome back = undo(adapted, arms[0]);
  EXPECT_EQ(back.words, 0U);
  EXPECT_EQ(back.price.bytes_kept, 8U);
  EXPECT_EQ(back.price.passes, kBaseSteps);
}

TEST_F(ArmsTest, AnAnchorMakesTheAdaptationCheaperToLoseAndUndoesNothing) {
  const Course free = momentum_course(100);
  const Store& theta = fork(original);
  const nn::Mlp function(theta, config());
  const Anchor anchor(theta, 0.05);
  Course held = free;
  held.loss = anchor.hold(free.loss, theta);
  run(ledger, theta, function, held, {.state = "held"});
  const Adapted plain = adapt(free, {});
  EXPECT_LT(divergence(theta), plain.kl);
  const auto arm = anchored(anchor);
  EXPECT_EQ(undo({theta, theta, divergence(theta)}, *arm).rf, 0.0);
  EXPECT_EQ(arm->bytes_kept(), size());
}

TEST_F(ArmsTest, TheFisherInformationWeighsWhatTheLossDependsOn) {
  const std::vector<Tensor> fisher =
      fisher_diagonal(original, model, loss_of(0, rng.stream("fisher")), 8);
  const Anchor ewc(original, 2, fisher);
  EXPECT_EQ(ewc.bytes(), 2 * size());
  const Store& theta = fork(original);
  const Tensor bias = original.at("layer.2.bias");
  const Tensor moved = zip(bias, bias, [](auto x, auto) { return x + 0.5F; });
  ledger.commit({.proposer = "test", .writes = {{&theta, "layer.2.bias", moved}}});
  double expected = 0;
  const auto f = fisher.back().values<float>();
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double d = static_cast<double>(moved.values<float>()[i]) -
                     static_cast<double>(bias.values<float>()[i]);
    expected += static_cast<double>(f[i]) * d * d;
  }
  Tape tape;
  EXPECT_NEAR(ewc.penalty(tape, theta).value().item(), expected, 1e-6 * expected);
  EXPECT_GT(expected, 0);
}

TEST_F(ArmsTest, PassesAreCountedInFloatingPointOperations) {
  const Pass one = pass(model, loss_of(0, rng), 0);
  // Forward, the gradient of each weight, and that of each layer's input but the first.
  const double products = 2.0 * 32 * (16 * 48 + 48 * 48 + 48 * 10);
  const double expected = 3 * products - 2.0 * 32 * 16 * 48;
  EXPECT_GT(one.work.flops, expected);
  EXPECT_LT(one.work.flops, expected * 1.2);  // biases, tanh, loss
}

}  // namespace
}  // namespace palinode::rbl
