// What hurt users of other libraries, as attacks on the identity. Each test names the thread in
// which the complaint was made, under github.com.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "nn/cnn.h"
#include "nn/gpt.h"
#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/reversible.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "rbl/attach.h"
#include "rbl/certificate.h"
#include "rbl/identity.h"
#include "rbl/norm_statistics.h"
#include "rbl/observe.h"
#include "rbl/rollback.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::rbl {
namespace {

Tensor labels() {
  return Tensor::from<std::int32_t>(std::vector<std::int32_t>{0, 1, 2, 0, 1, 2, 0, 1}, {8});
}

// An identity with BatchNorm, on its way to being frozen.
struct Convolutional {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  nn::Cnn model{theta,
                buffers,
                {.height = 4,
                 .width = 4,
                 .blocks = {{3, 3, 2}},
                 .hidden = {6},
                 .classes = 3,
                 .batch_norm = true}};
  Tensor x = Rng(1).stream("x").normal({8, 4, 4, 1}, Dtype::kF32);

  Convolutional() {
    ledger.commit(model.init(Rng(1)));
    step(ledger.open("sgd.theta", Role::kOptimizer), theta, model, nn::Mode::kTrain);
  }
  // One step of SGD on a store; in train mode the statistics move with it.
  void step(const Store& state, const Store& target, const nn::Model& function, nn::Mode mode) {
    const optim::Sgd sgd(state, target, {.lr = 0.1});
    Tape tape;
    nn::Run run(tape, {.mode = mode});
    const Var logits = function.forward(run, tape.constant(x));
    Proposal proposal = sgd.propose(backward(cross_entropy(logits, labels())));
    run.add_buffers(proposal);
    ledger.commit(proposal);
  }
  BehaviorPointer lora() {
    BehaviorPointer unit = make_behavior(phi, model, {.kind = "lora", .settings = {{"rank", 2}}});
    ledger.commit(unit->init(Rng(2)));
    return unit;
  }
};

double norm(const Tensor& x) {
  double squares = 0;
  for (const float value : x.values<float>()) squares += double{value} * double{value};
  return std::sqrt(squares);
}

// A multilayer perceptron, its gradients, and an optimizer's state.
struct Perceptron {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const Store& state = ledger.open("state", Role::kOptimizer);
  nn::Mlp model{theta, {.sizes = {4, 6, 3}}};
  Tensor x = Rng(1).stream("x").normal({8, 4}, Dtype::kF32);

  Perceptron() { ledger.commit(model.init(Rng(1))); }
  BehaviorPointer lora() {
    BehaviorPointer unit = make_behavior(phi, model, {.kind = "lora", .settings = {{"rank", 2}}});
    ledger.commit(unit->init(Rng(2)));
    return unit;
  }
  // Of factor * loss: zeros, and not nothing, for a factor of 0.
  Gradients gradients(const nn::Model& function, double factor = 1) const {
    Tape tape;
    nn::Run run(tape);
    const Var loss = cross_entropy(function.forward(run, tape.constant(x)), labels());
    return backward(scale(loss, factor));
  }
};

// huggingface/peft/issues/1732, pull/1734: running statistics of a "frozen" base moved in training.
TEST(Peers, T08_BatchNormStatisticsAreIdentity) {
  Convolutional test;
  const Identity identity = Identity::freeze(test.ledger, test.model);
  const Observation before = observe(test.model, identity.theta(), test.x);
  Attached function = attach(test.model, test.lora());
  const Store& state = test.ledger.open("sgd.phi", Role::kOptimizer);
  test.step(state, test.phi, function, nn::Mode::kEval);
  identity.check();
  // In train mode they would move: refused by name, or moved where a behavior keeps its own.
  EXPECT_MESSAGE(test.step(state, test.phi, function, nn::Mode::kTrain), FrozenError,
                 "batch_norm: block.0.norm: theta is frozen since write 22, and in train mode the "
                 "layer would use and move the statistics of the batch; run it in eval mode, or "
                 "attach a behavior that keeps statistics of its own for block.0.norm");
  const Store& own = test.ledger.open("phi.buffers", Role::kBuffer);
  const auto statistics =
      std::make_shared<NormStatistics>(own, test.buffers, norm_sites(test.buffers));
  test.ledger.commit(statistics->init());
  test.step(state, test.phi, attach(function, statistics), nn::Mode::kTrain);
  EXPECT_NE(fingerprint(own), fingerprint(test.buffers));
  identity.check();
  detach(std::move(function));
  EXPECT_TRUE(certify(before, before, observe(test.model, identity.theta(), test.x)).exact());
}

// ContinualAI/avalanche/pull/723, 772: computing a metric moved the statistics, and left the model
// in the other mode.
TEST(Peers, T09_MeasuringMovesNoStatisticsAndLeavesNoMode) {
  Convolutional test;  // not frozen, so nothing but the rules keeps a metric from writing
  const Xxh3Digest logits = xxh3(nn::evaluate(test.model, test.x));
  const auto squared_gradients = [&] {  // the diagonal of Fisher's information, in train mode
    Tape tape;
    nn::Run run(tape, {.mode = nn::Mode::kTrain});
    const Var loss = cross_entropy(test.model.forward(run, tape.constant(test.x)), labels());
    const Tensor g = backward(loss).at(test.theta, "layer.0.weight");
    double sum = 0;
    for (const float value : g.values<float>()) sum += double{value} * double{value};
    return sum;
  };
  const double first = measured("fisher", test.model, squared_gradients);
  EXPECT_GT(first, 0);
  EXPECT_EQ(xxh3(observe(test.model, test.model, test.x).logits), logits);
  EXPECT_EQ(measured("fisher", test.model, squared_gradients), first);
}

// huggingface/peft/issues/2018, pull/2879: a merge into a tied head changed the embedding too.
TEST(Peers, T11_ATiedWeightIsOneTensorAndSaysSo) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  nn::GptConfig config{.vocab = 7, .context = 4, .layers = 1, .heads = 1, .width = 4, .tied = true};
  const nn::Gpt model(theta, config);
  ledger.commit(model.init(Rng(1)));
  const Identity identity = Identity::freeze(ledger, model);
  ASSERT_EQ(identity.ties().size(), 1U);
  EXPECT_EQ(identity.ties()[0].reader, "head.weight");
  // A low-rank change of the head has no matrix of its own to enter at.
  EXPECT_MESSAGE(make_behavior(phi, model, {.kind = "lora", .sites = {"head"}}), NameError,
                 "lora: no site named head; there are block.0.attn.qkv, block.0.attn.out, "
                 "block.0.mlp.up, block.0.mlp.down");
  // One entry is read in both places, so a write to a copy of it moves the head as well.
  const Store& copy = ledger.open("copy", Role::kIdentity);
  ledger.commit(copy_of(theta, copy));
  const nn::Gpt twin(copy, config);
  const Tensor tokens = Tensor::full<std::int32_t>({1, 2}, 3);
  const Tensor plain = nn::evaluate(twin, tokens);
  std::vector<float> table(copy.at("token.weight").values<float>().begin(),
                           copy.at("token.weight").values<float>().end());
  table[6 * 4] += 1;  // the row of token 6, which is not among the inputs
  ledger.commit({.proposer = "merge",
                 .writes = {{&copy, "token.weight", Tensor::from<float>(table, {7, 4})}}});
  const Tensor merged = nn::evaluate(twin, tokens);
  EXPECT_TRUE(same_bits(merged.slice(1, 0, 6).compact(), plain.slice(1, 0, 6).compact()));
  EXPECT_FALSE(same_bits(merged, plain));
  identity.check();
  // An untied model of the same bytes is another identity.
  config.tied = false;
  const Store& wide = ledger.open("wide", Role::kIdentity);
  Proposal untied = copy_of(theta, wide);
  untied.writes.push_back({&wide, "head.weight", theta.at("token.weight").transpose(), true});
  ledger.commit(untied);
  const nn::Gpt separate(wide, config);
  EXPECT_EQ(xxh3(nn::evaluate(separate, tokens)), xxh3(nn::evaluate(model, tokens)));
  EXPECT_NE(Identity::freeze(ledger, separate).root(), identity.root());
}

// The same thread: two names never share memory by accident, whatever handles were committed.
TEST(Peers, T11_EntriesOfOneHandleDoNotShareMemory) {
  Ledger ledger;
  const Store& a = ledger.open("a", Role::kIdentity);
  const Store& b = ledger.open("b", Role::kIdentity);
  const Tensor one = Tensor::full<float>({4}, 1.0F);
  ledger.commit({.proposer = "test",
                 .writes = {{&a, "v", one, true}, {&a, "w", one, true}, {&b, "v", one, true}}});
  const auto place = [](const Tensor& value) { return value.values<float>().data(); };
  const auto expect_apart = [&] {
    EXPECT_NE(place(a.at("v")), place(a.at("w")));
    EXPECT_NE(place(a.at("v")), place(b.at("v")));
    EXPECT_NE(place(a.at("v")), place(one));
  };
  expect_apart();
  ledger.freeze(a);
  expect_apart();
  ledger.commit({.proposer = "test", .writes = {{&b, "v", Tensor::full<float>({4}, 2.0F)}}});
  EXPECT_EQ(a.at("v").values<float>()[0], 1.0F);
}

// huggingface/transformers/issues/34468; huggingface/peft/pull/1626, 2186: PiSSA and OLoRA begin by
// rewriting the base, and other adapters then output garbage.
TEST(Peers, T12_NoInitializerRewritesTheIdentity) {
  Perceptron test;
  const optim::ReversibleSgd reversible(test.ledger.open("reversible", Role::kOptimizer),
                                        test.theta, {});
  const Identity identity = Identity::freeze(test.ledger, test.model);
  const Attached other = attach(test.model, test.lora());
  const optim::Sgd sgd(test.state, test.phi, {.lr = 0.5});
  test.ledger.commit(sgd.propose(test.gradients(other)));
  const Tensor logits = nn::evaluate(other, test.x);
  // PiSSA (arXiv:2404.02948): phi takes the principal part of W, theta what is left of it.
  const Store& fresh = test.ledger.open("pissa.phi", Role::kBehavior);
  const Tensor residual = Tensor::zeros({4, 6}, Dtype::kF32);
  const Proposal pissa{.reason = Reason::kInit,
                       .proposer = "pissa",
                       .writes = {{&fresh, "layer.0.lora_A", residual, true},
                                  {&test.theta, "layer.0.weight", residual}}};
  EXPECT_MESSAGE(test.ledger.commit(pissa), FrozenError,
                 "commit: theta/layer.0.weight f32 [4, 6] is frozen since write 5; proposed by "
                 "pissa, step 0");
  EXPECT_TRUE(fresh.entries().empty());  // not the half of it that would have been allowed
  EXPECT_THROW(test.ledger.commit(test.model.init(Rng(9))), FrozenError);
  EXPECT_THROW(test.ledger.commit(reversible.begin()), FrozenError);
  EXPECT_MESSAGE(optim::ReversibleSgd(test.state, test.theta, {}), FrozenError,
                 "reversible: theta is frozen since write 5; an optimizer cannot be built over it");
  EXPECT_TRUE(same_bits(nn::evaluate(other, test.x), logits));
  identity.check();
}

// iamwangyabin/S-Prompts/pull/2; ahrefs/ocannl/issues/673; KellerJordan/Muon/issues/54: weight
// decay moved parameters that were not to be trained.
TEST(Peers, T18_WeightDecayCannotReachTheIdentity) {
  Perceptron test;
  const auto decayed = [&](const optim::Optimizer& optimizer, const Gradients& gradients) {
    test.ledger.commit(optimizer.propose(gradients));
  };
  const optim::Sgd sgd(test.ledger.open("sgd", Role::kOptimizer), test.theta,
                       {.lr = 0.1, .weight_decay = 0.5});
  const optim::AdamW adamw(test.ledger.open("adamw", Role::kOptimizer), test.theta, {{}, 0.5});
  const optim::RmsProp rmsprop(test.ledger.open("rmsprop", Role::kOptimizer), test.theta,
                               {.weight_decay = 0.5});
  const Tensor open = test.theta.at("layer.0.weight");
  decayed(sgd, test.gradients(test.model, 0));
  EXPECT_FALSE(same_bits(test.theta.at("layer.0.weight"), open));  // that is the attack
  const Gradients zeros = test.gradients(test.model, 0);
  const Identity identity = Identity::freeze(test.ledger, test.model);
  for (const optim::Optimizer* optimizer :
       {static_cast<const optim::Optimizer*>(&sgd), static_cast<const optim::Optimizer*>(&adamw),
        static_cast<const optim::Optimizer*>(&rmsprop)}) {
    EXPECT_THROW(decayed(*optimizer, zeros), FrozenError);
  }
  EXPECT_THROW(optim::AdamW(test.state, test.theta, {{}, 0.5}), FrozenError);
  // Over phi it decays phi and nothing else.
  const Attached function = attach(test.model, test.lora());
  const Tensor before = test.phi.at("layer.0.lora_A");
  const optim::AdamW over_phi(test.state, test.phi, {{.lr = 0.1}, 0.5});
  for (int i = 0; i < 100; ++i) decayed(over_phi, test.gradients(function, 0));
  EXPECT_LT(norm(test.phi.at("layer.0.lora_A")), 0.01 * norm(before));
  identity.check();
}

// megvii-model/DetNAS/issues/3; pytorch/pytorch/issues/83769: with a gradient of zero, and not
// none, momentum goes on moving a weight.
TEST(Peers, T19_MomentumCannotMoveWhatIsFrozen) {
  Perceptron test;
  const optim::Sgd sgd(test.state, test.theta, {.lr = 0.1, .momentum = 0.9});
  test.ledger.commit(sgd.propose(test.gradients(test.model)));
  const Tensor open = test.theta.at("layer.0.weight");
  test.ledger.commit(sgd.propose(test.gradients(test.model, 0)));
  EXPECT_FALSE(same_bits(test.theta.at("layer.0.weight"), open));  // that is the attack
  const Gradients zeros = test.gradients(test.model, 0);
  const Identity identity = Identity::freeze(test.ledger, test.model);
  const Sha256Digest moments = fingerprint(test.state);
  EXPECT_MESSAGE(test.ledger.commit(sgd.propose(zeros)), FrozenError,
                 "commit: theta/layer.0.weight f32 [4, 6] is frozen since write 23; proposed by "
                 "sgd.theta, step 3");
  EXPECT_EQ(fingerprint(test.state), moments);  // a refused step has not happened
  EXPECT_EQ(sgd.steps(), 2U);
  // And from now on there is no gradient of it, zero or not.
  EXPECT_MESSAGE(sgd.propose(test.gradients(attach(test.model, test.lora()))), NameError,
                 "sgd: no gradient for theta/layer.0.weight");
  identity.check();
}

// huggingface/trl/pull/2873; volcengine/verl/pull/7014: a snapshot was an alias of live tensors and
// changed with them.
TEST(Peers, T31_ASnapshotKeepsItsBits) {
  Perceptron test;
  const Tensor kept = test.theta.at("layer.0.weight");
  const Xxh3Digest bits = xxh3(kept);
  const Checkpoint checkpoint = checkpoint_of(test.ledger);
  const Sha256Digest before = fingerprint(test.theta);
  const auto arm = snapshot();
  arm->before(test.theta);
  const optim::Sgd sgd(test.state, test.theta, {.lr = 0.5});
  for (int i = 0; i < 3; ++i) test.ledger.commit(sgd.propose(test.gradients(test.model)));
  EXPECT_FALSE(same_bits(test.theta.at("layer.0.weight"), kept));
  EXPECT_EQ(xxh3(kept), bits);
  EXPECT_EQ(fingerprint(checkpoint.at("theta").entries), before);
  Subject subject(test.ledger, test.theta, test.model);
  arm->undo(subject);
  EXPECT_EQ(fingerprint(test.theta), before);
  // What a freeze leaves behind is no way into it either: neither the handle nor its memory.
  const Tensor old = test.theta.at("layer.0.weight");
  const Identity identity = Identity::freeze(test.ledger, test.model);
  const auto place = reinterpret_cast<std::uintptr_t>(old.values<float>().data());
  *reinterpret_cast<volatile std::uint32_t*>(place) = 0x40e00000;
  EXPECT_EQ(old.values<float>()[0], 7.0F);
  identity.check();
}

}  // namespace
}  // namespace palinode::rbl
