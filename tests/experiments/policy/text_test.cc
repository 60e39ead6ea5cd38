// Policy gradient on a language model. PALINODE_EXHAUSTIVE=1 also adapts the language identity,
// over ten seeds: a minute or more.
#include "experiments/policy/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "experiments/policy/tasks.h"
#include "experiments/train/model_io.h"
#include "nn/gpt.h"
#include "rbl/attach.h"
#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments::policy {
namespace {

const Tokenizer kLetters("abcdefgh", {});
constexpr nn::GptConfig kSmall = {.vocab = 8, .context = 16, .layers = 1, .heads = 2, .width = 16};

struct Model {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  nn::Gpt gpt{theta, kSmall};

  Model() { ledger.commit(gpt.init(Rng(1).stream("init"))); }
};

TextTask task_of(std::string_view bytes) {
  const std::vector<std::string_view> prompts = {"abc", "hag"};
  return {.prompts = encoded_prompts(kLetters, prompts),
          .length = 6,
          .reward = share_of(kLetters, bytes)};
}

TextConfig config_of(std::size_t updates) {
  return {.optimizer = rbl::adam({.lr = 1e-2}),
          .samples = 8,
          .goal = {.target = 2, .episodes = 32, .every = 10, .updates = updates}};
}

TEST(Prompts, AreOfOneLength) {
  const std::vector<std::string_view> good = {"abc", "hag"}, bad = {"abc", "ab"};
  const Tensor tokens = encoded_prompts(kLetters, good);
  EXPECT_EQ(tokens.shape(), (Shape{2, 3}));
  EXPECT_EQ(tokens.values<std::int32_t>()[3], 7);
  EXPECT_MESSAGE(encoded_prompts(kLetters, bad), Error,
                 "prompts: \"ab\" has 2 tokens, the first one 3; expected the same, and at least "
                 "one");
  EXPECT_THROW(encoded_prompts(kLetters, {}), Error);
}

TEST(ShareOf, CountsTheBytesOfAContinuation) {
  const auto reward = share_of(kLetters, "ae");
  const std::vector<std::int32_t> text = {0, 4, 1, 0};
  EXPECT_EQ(reward(text), 0.75);
  EXPECT_THROW(share_of(kLetters, "ax"), FormatError);
}

// With its cache the model says what it would say to the whole text, and a row does not depend on
// the others: every token is the one the stream draws from a pass over its own row alone.
TEST(ContinuePrompts, DrawsFromTheWholeTextOfEachRow) {
  const Model model;
  const TextTask task = task_of("a");
  const Rng stream = Rng(3).stream("batch");
  const Continuations got = continue_prompts(model.gpt, task, 3, stream);
  ASSERT_EQ(got.tokens.shape(), (Shape{6, 9}));
  const std::span<const std::int32_t> tokens = got.tokens.values<std::int32_t>();
  for (std::size_t row = 0; row < 6; ++row) {
    const std::span<const std::int32_t> mine = tokens.subspan(row * 9, 9);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(mine[i], task.prompts.values<std::int32_t>()[row / 3 * 3 + i]);
    }
    for (std::size_t t = 3; t < 9; ++t) {
      const Tensor seen = Tensor::from<std::int32_t>(mine.first(t), {1, t});
      const Tensor log_p = rbl::log_probabilities(nn::evaluate(model.gpt, seen).rows(t - 1, t));
      std::vector<double> p;
      for (const double l : log_p.values<double>()) p.push_back(std::exp(l));
      EXPECT_EQ(mine[t], static_cast<std::int32_t>(draw(p, stream.stream(row).uniform(t - 3))));
    }
    EXPECT_EQ(got.rewards[row], task.reward(mine.subspan(3)));
  }
}

TEST(Continuations, LeaveOutTheLastTokenBeforeAndTheFirstAfter) {
  const Model model;
  const Continuations got = continue_prompts(model.gpt, task_of("a"), 2, Rng(4));
  const auto tokens = got.tokens.values<std::int32_t>();
  const Tensor inputs = got.inputs(), targets = got.targets();
  ASSERT_EQ(inputs.shape(), (Shape{4, 8}));
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t t = 0; t < 8; ++t) {
      EXPECT_EQ(inputs.values<std::int32_t>()[row * 8 + t], tokens[row * 9 + t]);
      EXPECT_EQ(targets.values<std::int32_t>()[row * 8 + t], tokens[row * 9 + t + 1]);
    }
  }
}

TEST(ReinforceText, RaisesTheReward) {
  Model model;
  const Learned learned = reinforce_text(model.ledger, model.theta, model.gpt, task_of("ce"),
                                         config_of(40), "run", Rng(1).stream("run"));
  EXPECT_LT(learned.start, 0.4);
  EXPECT_GT(learned.evaluation, 0.8);
  EXPECT_GT(learned.curve.back().kl_start, 0.1);
}

// One step of plain descent is lr times the mean over drawn tokens of advantage times the slope of
// the token's log-probability, the advantage being against the same prompt's other samples.
TEST(ReinforceText, StepsAlongTheEstimateLeftOneOut) {
  Model model;
  const TextTask task = task_of("ad");
  TextConfig config = config_of(1);
  config.optimizer = rbl::sgd({.lr = 0.5});
  config.max_norm = std::nullopt;
  const Continuations batch =
      continue_prompts(model.gpt, task, 8, Rng(1).stream("run").stream("batches").stream(0));
  Tape tape;
  nn::Run run(tape);
  const Var log_p = log_softmax(model.gpt.forward(run, tape.constant(batch.inputs())));
  TensorBuilder slope(log_p.shape(), Dtype::kF32);
  std::ranges::fill(slope.values<float>(), 0.0F);
  for (std::size_t row = 0; row < 16; ++row) {
    double others = 0;
    for (std::size_t i = row / 8 * 8; i < row / 8 * 8 + 8; ++i) {
      if (i != row) others += batch.rewards[i] / 7;
    }
    for (std::size_t t = 2; t < 8; ++t) {
      const auto token =
          static_cast<std::size_t>(batch.targets().values<std::int32_t>()[row * 8 + t]);
      slope.values<float>()[(row * 8 + t) * 8 + token] =
          static_cast<float>((batch.rewards[row] - others) / (16 * 6));
    }
  }
  const Gradients gradients = tape.backward(log_p, std::move(slope).build());
  std::vector<std::vector<float>> wanted;
  for (std::size_t e = 0; e < model.theta.entries().size(); ++e) {
    const Tensor& value = model.theta.entries()[e].value;
    const Tensor* gradient = gradients.find(model.theta, e);
    ASSERT_NE(gradient, nullptr);
    wanted.emplace_back();
    for (std::size_t i = 0; i < value.elements(); ++i) {
      wanted.back().push_back(value.values<float>()[i] + 0.5F * gradient->values<float>()[i]);
    }
  }
  reinforce_text(model.ledger, model.theta, model.gpt, task, config, "run", Rng(1).stream("run"));
  for (std::size_t e = 0; e < wanted.size(); ++e) {
    const Entry& entry = model.theta.entries()[e];
    for (std::size_t i = 0; i < wanted[e].size(); ++i) {
      ASSERT_NEAR(entry.value.values<float>()[i], wanted[e][i], 1e-6) << entry.name;
    }
  }
}

TEST(ReinforceText, StaysCloserToTheStartForAPenalty) {
  const Model start;
  std::vector<double> divergence;
  for (const double penalty : {0.0, 0.1}) {
    Model model;
    TextConfig config = config_of(40);
    config.kl_penalty = penalty;
    config.start = &start.gpt;
    divergence.push_back(reinforce_text(model.ledger, model.theta, model.gpt, task_of("ce"), config,
                                        "run", Rng(1).stream("run"))
                             .curve.back()
                             .kl_start);
  }
  EXPECT_LT(divergence[1], 0.7 * divergence[0]);
}

TEST(ReinforceText, MovesPhiAndNotOneBitOfThetaWhateverTheThreads) {
  const std::size_t before = threads();
  std::vector<Sha256Digest> digests;
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}}) {
    set_threads(count);
    Model model;
    const Sha256Digest theta = model.ledger.freeze(model.theta);
    Ledger ledger;
    const Store& phi = ledger.open("phi", Role::kBehavior);
    const rbl::BehaviorPointer lora = rbl::make_behavior(phi, model.gpt, policy_behavior());
    ledger.commit(lora->init(Rng(1).stream("lora")));
    const Sha256Digest fresh = fingerprint(phi);
    const rbl::Attached adapted = rbl::attach(model.gpt, lora);
    reinforce_text(ledger, phi, adapted, task_of("ce"), config_of(3), "run", Rng(1).stream("run"));
    EXPECT_EQ(fingerprint(model.theta), theta);
    digests.push_back(fingerprint(phi));
    EXPECT_NE(digests.back(), fresh);
  }
  set_threads(before);
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(ReinforceText, SaysWhatItNeeds) {
  Model model;
  const auto run = [&](const TextConfig& config) {
    reinforce_text(model.ledger, model.theta, model.gpt, task_of("a"), config, "run", Rng(1));
  };
  TextConfig config = config_of(1);
  config.samples = 1;
  EXPECT_MESSAGE(run(config), Error,
                 "reinforce_text: needs two samples of a prompt or more, got 1");
  config = config_of(1);
  config.goal.episodes = 3;
  EXPECT_MESSAGE(run(config), Error,
                 "reinforce_text: 3 evaluation episodes are no multiple of 2 prompts");
  config = config_of(1);
  config.kl_penalty = 0.1;
  EXPECT_MESSAGE(run(config), Error,
                 "reinforce_text: a penalty on the divergence needs the start it is measured from");
}

TEST(LanguageIdentity, LearnsVowelsOnThetaAndOnPhi) {
  if (std::getenv("PALINODE_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "PALINODE_EXHAUSTIVE not set";
  const train::TrainedModel model =
      train::load_trained(PALINODE_ROOT "/experiments/identity/austen_gpt.safetensors");
  const auto& gpt = dynamic_cast<const nn::Gpt&>(*model.network);
  model.ledger->freeze(gpt.store());
  const TextTask task = vowels_task(*model.tokenizer);
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    for (const Role locus : {Role::kIdentity, Role::kBehavior}) {
      Ledger ledger;
      const Store& target = ledger.open("target", locus);
      std::unique_ptr<const nn::Model> function;
      if (locus == Role::kIdentity) {
        ledger.commit(copy_of(gpt.store(), target));
        function = std::make_unique<nn::Gpt>(target, gpt.config());
      } else {
        const rbl::BehaviorPointer lora = rbl::make_behavior(target, gpt, policy_behavior());
        ledger.commit(lora->init(Rng(seed).stream("lora")));
        function = std::make_unique<rbl::Attached>(rbl::attach(gpt, lora));
      }
      const Learned learned =
          reinforce_text(ledger, target, *function, task, vowels_config(locus), "adapt", Rng(seed));
      EXPECT_LT(learned.start, 0.32);
      EXPECT_EQ(learned.stop, Stop::kTargetReached) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace palinode::experiments::policy
