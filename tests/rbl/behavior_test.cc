#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "rbl/attach.h"
#include "rbl/certificate.h"
#include "rbl/rollback.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

// A small frozen identity and a LoRA over both of its layers.
struct BehaviorTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  nn::Mlp model{theta, {.sizes = {6, 8, 4}}};
  Tensor x = Rng(1).stream("x").normal({16, 6}, Dtype::kF32);
  Tensor labels = Tensor::full<std::int32_t>({16}, 2);

  BehaviorTest() {
    ledger.commit(model.init(Rng(1).stream("init")));
    ledger.freeze(theta);
  }
  BehaviorPointer lora() {
    BehaviorPointer unit =
        make_behavior(phi, model, {.kind = "lora", .settings = {{"rank", 2}, {"alpha", 4}}});
    ledger.commit(unit->init(Rng(1).stream("lora")));
    return unit;
  }
  Gradients gradients(const nn::Model& function) const {
    Tape tape;
    nn::Run run(tape);
    return backward(cross_entropy(function.forward(run, tape.constant(x)), labels));
  }
  void train(const nn::Model& function, int steps) {
    const optim::Adam adam(ledger.open("adam.phi", Role::kOptimizer), phi, {.lr = 0.05});
    for (int i = 0; i < steps; ++i) ledger.commit(adam.propose(gradients(function)));
  }
};

TEST_F(BehaviorTest, AFreshLoraChangesNoBit) {
  const Attached function = attach(model, lora());
  EXPECT_TRUE(same_bits(nn::evaluate(function, x), nn::evaluate(model, x)));
}

TEST_F(BehaviorTest, ATrainedLoraChangesTheFunctionAndNotTheIdentity) {
  const Observation before = observe(model, theta, x);
  const Attached function = attach(model, lora());
  train(function, 20);
  const Observation during = observe(function, theta, x);
  EXPECT_GT(kl_divergence(before.log_p, during.log_p).mean, 0.1);
  EXPECT_EQ(before.fingerprint, during.fingerprint);
}

TEST_F(BehaviorTest, LoraComputesItsFormula) {
  const Attached function = attach(model, lora());
  train(function, 5);
  Tape tape;
  const auto read = [&](const Store& store, const char* name) {
    return tape.parameter(store, name);
  };
  const Var input = tape.constant(x);
  const auto layer = [&](Var in, const std::string& site) {
    const Var plain =
        linear(in, read(theta, (site + ".weight").c_str()), read(theta, (site + ".bias").c_str()));
    const Var low = matmul(in, read(phi, (site + ".lora_A").c_str()));
    return add(plain, scale(matmul(low, read(phi, (site + ".lora_B").c_str())), 4.0 / 2.0));
  };
  const Var want = layer(tanh(layer(input, "layer.0")), "layer.1");
  EXPECT_TRUE(same_bits(nn::evaluate(function, x), want.value()));
}

TEST_F(BehaviorTest, UnloadRestoresEveryOutputBit) {
  const Observation before = observe(model, theta, x);
  Attached function = attach(model, lora());
  train(function, 20);
  const Observation during = observe(function, theta, x);
  const auto given = function.behavior();
  EXPECT_EQ(detach(std::move(function)), given);
  const Certificate certificate = certify(before, during, observe(model, theta, x));
  EXPECT_TRUE(certificate.exact()) << to_text(certificate);
  EXPECT_GT(certificate.kl_during, 0);
  EXPECT_EQ(certificate.kl_after, 0);
  EXPECT_EQ(certificate.js_after, 0);
}

TEST_F(BehaviorTest, ACertificateOfAnIncompleteUnloadIsNotExact) {
  const Observation before = observe(model, theta, x);
  const Attached function = attach(model, lora());
  train(function, 1);
  const Observation during = observe(function, theta, x);
  EXPECT_FALSE(certify(before, during, during).exact());
}

TEST_F(BehaviorTest, ThePlainModelRunsNotOneOperationMore) {
  Tape plain;
  nn::Run run(plain);
  model.forward(run, plain.constant(x));
  const std::size_t operations = plain.size();
  { const Attached function = attach(model, lora()); }
  Tape again;
  nn::Run second(again);
  model.forward(second, again.constant(x));
  EXPECT_EQ(again.size(), operations);
  EXPECT_EQ(operations, 1U + 4 + 3);  // the input, four parameters, linear tanh linear
}

TEST_F(BehaviorTest, ASecondBehaviorAddsToTheFirstAndBothUnload) {
  const Tensor plain = nn::evaluate(model, x);
  Attached first = attach(model, lora());
  train(first, 5);
  const Store& other = ledger.open("phi2", Role::kBehavior);
  const BehaviorPointer second = make_behavior(
      other, model,
      {.kind = "lora", .sites = {"layer.1"}, .settings = {{"rank", 1}, {"alpha", 1}}});
  ledger.commit(second->init(Rng(2).stream("lora")));
  const Tensor b = Rng(4).stream("b").normal({1, 4}, Dtype::kF32);
  ledger.commit({.proposer = "test", .writes = {{&other, "layer.1.lora_B", b}}});
  const Attached both = attach(first, second);
  EXPECT_FALSE(same_bits(nn::evaluate(both, x), nn::evaluate(first, x)));
  EXPECT_FALSE(same_bits(nn::evaluate(both, x), nn::evaluate(attach(model, second), x)));
  const Tensor with_first = nn::evaluate(first, x);
  Attached outer = attach(first, second);
  detach(std::move(outer));
  EXPECT_TRUE(same_bits(nn::evaluate(first, x), with_first));
  detach(std::move(first));
  EXPECT_TRUE(same_bits(nn::evaluate(model, x), plain));
  EXPECT_MESSAGE(nn::evaluate(both, x), NameError, "attached: the behavior was detached");
}

TEST_F(BehaviorTest, OnlyPhiTakesGradients) {
  const Gradients found = gradients(attach(model, lora()));
  EXPECT_EQ(found.items().size(), phi.entries().size());
  for (const Gradients::Item& item : found.items()) EXPECT_EQ(item.store, &phi);
}

TEST_F(BehaviorTest, TrainingASecondBehaviorAfterUnloadingOneIsTrainingItFresh) {
  const auto train_fresh = [&](Ledger& own) {
    const Store& second = own.open("phi", Role::kBehavior);
    const BehaviorPointer unit = make_behavior(
        second, model,
        {.kind = "lora", .sites = {"layer.0"}, .settings = {{"rank", 2}, {"alpha", 4}}});
    own.commit(unit->init(Rng(2).stream("lora")));
    const Attached function = attach(model, unit);
    const optim::Adam adam(own.open("adam", Role::kOptimizer), second, {.lr = 0.05});
    for (int i = 0; i < 10; ++i) own.commit(adam.propose(gradients(function)));
    return fingerprint(second);
  };
  Ledger before, after;
  const Sha256Digest fresh = train_fresh(before);
  Attached first = attach(model, lora());
  train(first, 20);
  detach(std::move(first));
  EXPECT_EQ(train_fresh(after), fresh);
}

TEST_F(BehaviorTest, WhatIsNotThereIsRefusedByName) {
  const auto make = [&](BehaviorConfig config) { make_behavior(phi, model, std::move(config)); };
  EXPECT_MESSAGE(make({.kind = "lorra"}), NameError,
                 "behavior: no kind named lorra; there are lora, dora, ia3, adapter, prefix, "
                 "soft-prompt, bias, dense");
  EXPECT_MESSAGE(make({.kind = "lora", .sites = {"layer.7"}}), NameError,
                 "lora: no site named layer.7; there are layer.0, layer.1");
  EXPECT_MESSAGE(make({.kind = "lora", .sites = {"layer.0", "layer.0"}}), NameError,
                 "lora: the site layer.0 is named twice");
  EXPECT_MESSAGE(make({.kind = "lora", .settings = {{"ranks", 2}}}), NameError,
                 "lora: there is no setting ranks");
  EXPECT_MESSAGE(make({.kind = "lora", .settings = {{"rank", 0}}}), NameError,
                 "lora: rank is a whole number from 1 to 65536, got 0");
  EXPECT_MESSAGE(make({.kind = "prefix"}), NameError, "prefix: this mlp has no site for it");
  EXPECT_MESSAGE(make_behavior(theta, model, {.kind = "lora"}), NameError,
                 "lora: phi needs a store with the role behavior, theta has the role identity");
  EXPECT_MESSAGE(attach(model, nullptr), NameError, "attach: there is no behavior");
}

TEST_F(BehaviorTest, NoRollbackCanWriteTheFrozenIdentity) {
  Subject subject(ledger, theta, model);
  const auto copy = snapshot();
  copy->before(theta);
  EXPECT_THROW(copy->undo(subject), FrozenError);
}

}  // namespace
}  // namespace palinode::rbl
