// What Gpt and Llama have in common: shapes, gradients, checkpointing, behaviors, cache,
// generation.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/generate.h"
#include "nn/model_config.h"
#include "optim/adam.h"
#include "rbl/attach.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

constexpr std::size_t kVocab = 11, kContext = 7, kTime = 5;

ModelConfig gpt_config(bool tied, bool checkpointing = false, double dropout = 0) {
  return GptConfig{.vocab = kVocab,
                   .context = kContext,
                   .layers = 2,
                   .heads = 2,
                   .width = 6,
                   .tied = tied,
                   .dropout = dropout,
                   .checkpointing = checkpointing};
}

ModelConfig llama_config(bool tied, bool checkpointing = false) {
  return LlamaConfig{.vocab = kVocab,
                     .context = kContext,
                     .layers = 2,
                     .heads = 4,
                     .kv_heads = 2,
                     .width = 8,
                     .hidden = 10,
                     .tied = tied,
                     .checkpointing = checkpointing};
}

Tensor tokens(std::size_t batch, std::size_t time, std::uint64_t seed = 1) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < batch * time; ++i) {
    ids.push_back(static_cast<std::int32_t>(Rng(seed).stream("tokens").below(i, kVocab)));
  }
  return Tensor::from<std::int32_t>(ids, {batch, time});
}

// Weights larger than a model starts with, so that every part of it matters.
Proposal large_values(const Network& network) {
  Proposal proposal{.proposer = "test"};
  for (const Parameter& each : network.parameters()) {
    const Tensor value = Rng(3).stream(each.name).normal(each.shape, Dtype::kF32);
    proposal.writes.push_back({each.store, each.name, value, true});
  }
  return proposal;
}

struct Subject {
  explicit Subject(const ModelConfig& config) : network(make_network(config, theta)) {
    ledger.commit(large_values(*network));
  }
  Gradients gradients(const Model& function, const RunConfig& how = {}) const {
    Tape tape;
    nn::Run run(tape, how);
    const Var logits = function.forward(run, tape.constant(x));
    return backward(cross_entropy(logits, labels));
  }

  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  std::unique_ptr<Network> network;
  Tensor x = tokens(3, kTime);
  Tensor labels = tokens(1, 3 * kTime, 2).reshape({3 * kTime});
};

class DecoderTest : public testing::TestWithParam<ModelConfig> {
 protected:
  Subject subject{GetParam()};
};

std::string name_of(const testing::TestParamInfo<ModelConfig>& info) {
  return std::vector<std::string>{"Gpt", "TiedGpt", "Llama", "TiedLlama"}[info.index];
}

INSTANTIATE_TEST_SUITE_P(Models, DecoderTest,
                         testing::Values(gpt_config(false), gpt_config(true), llama_config(false),
                                         llama_config(true)),
                         name_of);

TEST_P(DecoderTest, GivesARowOfLogitsForEachToken) {
  const Tensor logits = evaluate(*subject.network, subject.x);
  EXPECT_EQ(logits.shape(), (Shape{3 * kTime, kVocab}));
}

TEST_P(DecoderTest, ASequenceHasTheSameBitsWhateverSharesItsBatch) {
  const Tensor all = evaluate(*subject.network, subject.x);
  for (std::size_t b = 0; b < 3; ++b) {
    const Tensor alone = evaluate(*subject.network, subject.x.rows(b, b + 1));
    EXPECT_EQ(xxh3(alone), xxh3(all.rows(b * kTime, (b + 1) * kTime)));
  }
}

TEST_P(DecoderTest, ATokenSeesNoLaterOne) {
  const Tensor all = evaluate(*subject.network, subject.x.rows(0, 1));
  const Tensor begin = subject.x.rows(0, 1).reshape({kTime}).rows(0, 3).reshape({1, 3});
  EXPECT_EQ(xxh3(evaluate(*subject.network, begin)), xxh3(all.rows(0, 3)));
}

TEST_P(DecoderTest, EveryParameterTakesAGradient) {
  const Gradients found = subject.gradients(*subject.network);
  EXPECT_EQ(found.items().size(), subject.theta.entries().size());
}

TEST_P(DecoderTest, IncrementalLogitsHaveTheBitsOfTheFullPass) {
  const Tensor all = evaluate(*subject.network, subject.x);
  for (const std::size_t first : {std::size_t{1}, std::size_t{3}}) {
    KvCache cache;
    for (std::size_t at = 0; at < kTime; at += at == 0 ? first : 1) {
      const std::size_t time = at == 0 ? first : 1;
      std::vector<std::int32_t> part;
      for (std::size_t b = 0; b < 3; ++b) {
        const auto row = subject.x.values<std::int32_t>().subspan(b * kTime + at, time);
        part.insert(part.end(), row.begin(), row.end());
      }
      Tape tape;
      nn::Run run(tape, {.cache = &cache});
      const Var fresh = tape.constant(Tensor::from<std::int32_t>(part, {3, time}));
      const Tensor logits = subject.network->forward(run, fresh).value().compact();
      for (std::size_t b = 0; b < 3; ++b) {
        const std::size_t row = b * kTime + at;
        EXPECT_EQ(xxh3(logits.rows(b * time, (b + 1) * time)), xxh3(all.rows(row, row + time)))
            << "sequence " << b << ", token " << at;
      }
    }
    EXPECT_EQ(cache.length(), kTime);
  }
}

TEST_P(DecoderTest, ACacheIsRefusedOnceTheWeightsHaveChanged) {
  KvCache cache;
  const auto step = [&](const Model& function) {
    Tape tape;
    nn::Run run(tape, {.cache = &cache});
    function.forward(run, tape.constant(tokens(1, 1)));
  };
  step(*subject.network);
  const optim::Adam adam(subject.ledger.open("adam", Role::kOptimizer), subject.theta, {.lr = 0.1});
  subject.ledger.commit(adam.propose(subject.gradients(*subject.network)));
  EXPECT_MESSAGE(
      step(*subject.network), StaleReadError,
      "kv_cache: its 1 tokens were seen with other settings, weights or behaviors than those of "
      "theta now; clear it");
  cache.clear();
  step(*subject.network);
  EXPECT_EQ(cache.length(), 1U);
}

TEST(DecoderCache, IsRefusedByTheSameWeightsWithOtherHeads) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const auto with_heads = [&](std::size_t heads) {
    return Gpt(theta, {.vocab = 11, .context = 8, .layers = 1, .heads = heads, .width = 12});
  };
  const Gpt two = with_heads(2), three = with_heads(3);
  ledger.commit(two.init(Rng(1)));
  KvCache cache;
  const auto step = [&](const Model& function) {
    Tape tape;
    nn::Run run(tape, {.cache = &cache});
    function.forward(run, tape.constant(Tensor::zeros({1, 1}, Dtype::kI32)));
  };
  step(two);
  EXPECT_THROW(step(three), StaleReadError);
  step(two);
  EXPECT_EQ(cache.length(), 2U);
}

TEST_P(DecoderTest, ALoraAttachesAtEverySiteAndDetachesToTheSameBits) {
  const Tensor before = evaluate(*subject.network, subject.x);
  subject.ledger.freeze(subject.theta);
  const Store& phi = subject.ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora =
      rbl::make_behavior(phi, *subject.network, {.kind = "lora", .settings = {{"rank", 2}}});
  subject.ledger.commit(lora->init(Rng(1)));
  rbl::Attached adapted = rbl::attach(*subject.network, lora);
  EXPECT_EQ(xxh3(evaluate(adapted, subject.x)), xxh3(before));
  const optim::Adam adam(subject.ledger.open("adam", Role::kOptimizer), phi, {.lr = 0.1});
  for (int i = 0; i < 3; ++i) {
    const Gradients found = subject.gradients(adapted);
    EXPECT_EQ(found.items().size(), phi.entries().size());
    subject.ledger.commit(adam.propose(found));
  }
  KvCache cache;
  Tape tape;
  nn::Run run(tape, {.cache = &cache});
  adapted.forward(run, tape.constant(tokens(1, 1)));
  EXPECT_NE(xxh3(evaluate(adapted, subject.x)), xxh3(before));
  rbl::detach(std::move(adapted));
  EXPECT_EQ(xxh3(evaluate(*subject.network, subject.x)), xxh3(before));
  Tape plain;
  nn::Run second(plain, {.cache = &cache});
  EXPECT_THROW(subject.network->forward(second, plain.constant(tokens(1, 1))), StaleReadError);
}

TEST_P(DecoderTest, NamesABadInput) {
  const std::string kind(subject.network->kind());
  EXPECT_MESSAGE(evaluate(*subject.network, Tensor::zeros({1, 3}, Dtype::kF32)), DtypeError,
                 kind + ": tokens are i32 [batch, time], got f32 [1, 3]");
  EXPECT_MESSAGE(evaluate(*subject.network, Tensor::zeros({3}, Dtype::kI32)), ShapeError,
                 kind + ": tokens are i32 [batch, time], got i32 [3]");
  EXPECT_MESSAGE(evaluate(*subject.network, tokens(1, 8)), ShapeError,
                 kind + ": 8 tokens after 0 do not fit into a context of 7");
  EXPECT_THROW(evaluate(*subject.network, Tensor::full<std::int32_t>({1, 2}, 11)), Error);
  EXPECT_THROW(evaluate(*subject.network, Tensor::full<std::int32_t>({1, 2}, -1)), Error);
}

TEST_P(DecoderTest, GenerationIsThatOfFullPassesUntilTheWindowSlides) {
  const GenerateConfig config{.context = kContext, .sampling = {.temperature = 2}};
  const Rng stream = Rng(4).stream("sample");
  Generator generator(*subject.network, {1, 2}, config, stream);
  std::vector<std::int32_t> sequence = {1, 2};
  std::size_t begin = 0;
  for (int i = 0; i < 14; ++i) {
    if (sequence.size() - begin > kContext) begin = sequence.size() - 4;
    const auto seen = std::span<const std::int32_t>(sequence).subspan(begin);
    const Tensor logits =
        evaluate(*subject.network, Tensor::from<std::int32_t>(seen, {1, seen.size()}));
    const Tensor last = logits.rows(seen.size() - 1, seen.size());
    sequence.push_back(sample(last, config.sampling, stream.uniform(sequence.size())));
    EXPECT_EQ(generator.next(), sequence.back()) << i;
  }
  EXPECT_TRUE(std::ranges::equal(generator.tokens(), sequence));
}

// The digest of the gradients of a checkpointed model and of a plain one.
void expect_same_gradients(const ModelConfig& plain, const ModelConfig& checkpointed,
                           const RunConfig& how) {
  const Subject a(plain), b(checkpointed);
  const Gradients wanted = a.gradients(*a.network, how), got = b.gradients(*b.network, how);
  ASSERT_EQ(got.items().size(), wanted.items().size());
  for (const Entry& entry : a.theta.entries()) {
    EXPECT_EQ(xxh3(got.at(b.theta, entry.name)), xxh3(wanted.at(a.theta, entry.name)))
        << entry.name;
  }
}

TEST(Decoder, CheckpointingChangesNoBit) {
  expect_same_gradients(gpt_config(false), gpt_config(false, true), {});
  expect_same_gradients(llama_config(true), llama_config(true, true), {});
  const Rng masks = Rng(1).stream("dropout");
  expect_same_gradients(gpt_config(false, false, 0.3), gpt_config(false, true, 0.3),
                        {.mode = Mode::kTrain, .rng = &masks});
}

TEST(Decoder, ACheckpointedModelTrainsItsBehavior) {
  const auto train = [](bool checkpointing) {
    Subject subject(gpt_config(false, checkpointing));
    subject.ledger.freeze(subject.theta);
    const Store& phi = subject.ledger.open("phi", Role::kBehavior);
    const rbl::BehaviorPointer lora =
        rbl::make_behavior(phi, *subject.network, {.kind = "lora", .settings = {{"rank", 2}}});
    subject.ledger.commit(lora->init(Rng(1)));
    const rbl::Attached adapted = rbl::attach(*subject.network, lora);
    const optim::Adam adam(subject.ledger.open("adam", Role::kOptimizer), phi, {.lr = 0.1});
    for (int i = 0; i < 3; ++i) subject.ledger.commit(adam.propose(subject.gradients(adapted)));
    return fingerprint(phi);
  };
  EXPECT_EQ(train(true), train(false));
}

TEST(Decoder, DropoutIsOfTheRunAndItsStream) {
  const Subject subject(gpt_config(false, false, 0.5));
  const auto logits = [&](const RunConfig& how) {
    Tape tape;
    nn::Run run(tape, how);
    return xxh3(subject.network->forward(run, tape.constant(subject.x)).value());
  };
  const Rng first = Rng(1).stream("dropout").stream(1), second = Rng(1).stream("dropout").stream(2);
  const Xxh3Digest plain = logits({});
  EXPECT_EQ(logits({.rng = &first}), plain);
  const Xxh3Digest dropped = logits({.mode = Mode::kTrain, .rng = &first});
  EXPECT_NE(dropped, plain);
  EXPECT_EQ(logits({.mode = Mode::kTrain, .rng = &first}), dropped);
  EXPECT_NE(logits({.mode = Mode::kTrain, .rng = &second}), dropped);
}

TEST(Decoder, RefusesBadConfigurations) {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  EXPECT_MESSAGE(Gpt(theta, {.heads = 3}), ShapeError,
                 "attention: heads divide the width and kv_heads the heads, got a width of 128, 3 "
                 "heads, 3 kv_heads");
  EXPECT_MESSAGE(Llama(theta, {.layers = 0}), ShapeError,
                 "llama: needs vocab, context and width above 0 and 1 to 1024 layers, got 256, "
                 "64, 128 and 0");
  EXPECT_THROW(Llama(theta, {.heads = 4, .kv_heads = 3}), ShapeError);
  const Gpt model(theta, {});
  EXPECT_MESSAGE(Generator(model, {}, {}, Rng(1)), ShapeError, "generate: the prompt has no token");
}

}  // namespace
}  // namespace palinode::nn
