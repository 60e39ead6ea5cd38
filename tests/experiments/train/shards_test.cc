// A step's gradient from shards of its batch: the documented sum, and nothing else changes.
#include "experiments/train/shards.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "experiments/train/configs.h"
#include "experiments/train/loop.h"
#include "experiments/train/trainer.h"
#include "tensor/error.h"
#include "tests/experiments/train/temporary_run.h"
#include "tests/experiments/two_peers.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::experiments::train {
namespace {

constexpr const char* kDigits = R"(
[model]
hidden = [16]
[optimizer]
kind = "sgd"
lr = 0.125
accumulate = 2
[train]
steps = 3
batch = 20
shards = 4
)";

constexpr const char* kConvolutional = R"(
[model]
kind = "cnn"
channels = [4]
pool = [2]
hidden = [8]
[train]
steps = 3
batch = 8
)";

constexpr const char* kText = R"(
[data]
name = "devil"
validation = 100
[model]
kind = "gpt"
layers = 1
heads = 2
width = 16
dropout = 0.5
[train]
steps = 3
batch = 8
context = 12
)";

Config parse(const char* text, const std::vector<std::string>& sets = {}) {
  return parse_config(text, "test.toml", sets);
}

// docs/arithmetic.md, section 5: s = g_1; s = s + g_2; ...; s * (1/n), over batches and shards.
TEST(Shards, AreAddedInOrderAndMultipliedOnce) {
  const Config config = parse(kDigits);
  Task task = make_task(config);
  Ledger ledger(Ledger::Level::kOff);
  Trainer trainer(config, task, ledger);
  trainer.init();
  const std::span<const Entry> entries = trainer.theta().entries();
  const std::vector<Entry> before(entries.begin(), entries.end());
  std::vector<Gradients> gradients;
  double loss = 0;
  for (const std::uint64_t number : {0U, 1U}) {
    const Labelled batch = task.batches->at(number);
    for (const std::size_t begin : {0U, 5U, 10U, 15U}) {
      Tape tape;
      nn::Run run(tape, {.mode = nn::Mode::kTrain});
      const Labelled part = batch.rows(begin, begin + 5);
      const Var logits = trainer.network().forward(run, tape.constant(part.x));
      const Var each = cross_entropy(logits, part.y);
      loss += each.value().item();
      gradients.push_back(backward(each));
    }
  }
  EXPECT_EQ(trainer.step().loss, loss / 8);
  for (std::size_t entry = 0; entry < before.size(); ++entry) {
    const std::span<const float> w = before[entry].value.values<float>();
    std::vector<float> want(w.size());
    for (std::size_t i = 0; i < w.size(); ++i) {
      float sum = gradients[0].find(trainer.theta(), entry)->values<float>()[i];
      for (std::size_t n = 1; n < gradients.size(); ++n) {
        sum = sum + gradients[n].find(trainer.theta(), entry)->values<float>()[i];
      }
      want[i] = w[i] - 0.125F * (sum * 0.125F);
    }
    EXPECT_SAME_BITS(trainer.theta().entries()[entry].value.values<float>(),
                     std::span<const float>(want));
  }
}

TEST(Shards, DecideTheBits) {
  const auto fingerprint_of = [](const char* shards) {
    const Config config = parse(kDigits, {std::string("train.shards=") + shards});
    Task task = make_task(config);
    Ledger ledger(Ledger::Level::kOff);
    Trainer trainer(config, task, ledger);
    trainer.init();
    while (!trainer.finished()) trainer.step();
    return hex(fingerprint(trainer.theta()));
  };
  EXPECT_NE(fingerprint_of("4"), fingerprint_of("1"));
  EXPECT_NE(fingerprint_of("4"), fingerprint_of("2"));
}

// The bits from before there were shards.
TEST(Shards, OneIsTheWholeBatch) {
  const ConfigSource source = find_config("digits_mlp");
  const Config config = parse_config(source.text, source.name,
                                     std::vector<std::string>{"train.steps=50", "train.shards=1"});
  EXPECT_EQ(to_toml(config).find("shards"), std::string::npos);
  const TemporaryRun folder("one_shard");
  folder.start(config);
  const RunResult result = run_loop(config, folder, {.quiet = true}, prepare(config));
  EXPECT_EQ(hex(result.model), "79ac4c14d03c8bbc80e6a358a461e0fb047117f2845de63cb5fa0669590801b7");
  EXPECT_EQ(hex(result.head), "5067a26c5773b16f359db4ee45f67556a9ee74986a85d12b64122de9bbc06e49");
}

TEST(Shards, AreWrittenIntoTheSettings) {
  const std::string text = to_toml(parse(kDigits));
  EXPECT_NE(text.find("\nshards = 4\n"), std::string::npos);
  EXPECT_EQ(parse_config(text, "again.toml").train.shards, 4U);
}

// Half of the elements are dropped: with other masks the loss would be another one.
TEST(Shards, DropWhatTheWholeBatchDrops) {
  const auto loss_with = [](const char* text, const char* setting, const char* shards) {
    const Config config = parse(text, {setting, std::string("train.shards=") + shards});
    Task task = make_task(config);
    Ledger ledger(Ledger::Level::kOff);
    Trainer trainer(config, task, ledger);
    trainer.init();
    return trainer.step().loss;
  };
  const auto expect_one_loss = [&](const char* text, const char* setting) {
    SCOPED_TRACE(setting);
    const double whole = loss_with(text, setting, "1");
    for (const char* shards : {"2", "4"}) {
      EXPECT_NEAR(loss_with(text, setting, shards), whole, 1e-6);
    }
  };
  expect_one_loss(kText, "seed=2");
  expect_one_loss(kText, "model.checkpointing=true");
  expect_one_loss(kConvolutional, "model.dropout=0.5");
}

TEST(Shards, RefuseGradientsOfAnotherSize) {
  const Config config = parse(kDigits);
  Task task = make_task(config);
  Ledger ledger(Ledger::Level::kOff);
  TwoPeers peers(0, "short");
  Trainer trainer(config, task, ledger, &peers);
  trainer.init();
  // Two of four shards, each with a loss in f64 and 64 * 16 + 16 + 16 * 10 + 10 values in f32.
  EXPECT_MESSAGE(trainer.step(), EnvironmentError,
                 "train: expected 9696 bytes of gradients from process 1, got 5");
}

TEST(Shards, AreNotAddedToAnotherState) {
  const Config config = parse(kDigits);
  const TemporaryRun folder("other_state");
  folder.start(config);
  TwoPeers peers(0, "elsewhere");
  try {
    run_loop(config, folder, {.quiet = true, .peers = &peers}, prepare(config));
    FAIL() << "the processes have different weights";
  } catch (const EnvironmentError& error) {
    EXPECT_EQ(std::string(error.what())
                  .find("train: step, weights and ledger of process 1 are "
                        "elsewhere, those of process 0 are 0 "),
              0U)
        << error.what();
  }
}

}  // namespace
}  // namespace palinode::experiments::train
