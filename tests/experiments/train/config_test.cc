// Settings: what is read, what is refused and in which words, and what is written back.
#include "experiments/train/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "experiments/train/configs.h"
#include "tests/support/message.h"

namespace palinode::experiments::train {
namespace {

const std::string kSmall = "[train]\nsteps = 10\n";

Config parse(const std::string& text, const std::vector<std::string>& sets = {}) {
  return parse_config(text, "a.toml", sets);
}

TEST(TrainConfig, ReadsEveryKindOfValue) {
  const Config config = parse(
      "seed = 7\n[model]\nkind = \"cnn\"\nchannels = [4, 8]\nbatch_norm = true\n"
      "[optimizer]\nlr = 1\nbetas = [0.5, 0.25]\n[train]\nepochs = 2\n[ledger]\nlevel = \"off\"\n");
  EXPECT_EQ(config.seed, 7U);
  EXPECT_EQ(config.model.kind, "cnn");
  EXPECT_EQ(config.model.channels, (std::vector<std::uint64_t>{4, 8}));
  EXPECT_TRUE(config.model.batch_norm);
  EXPECT_EQ(config.optimizer.lr, 1.0);
  EXPECT_EQ(config.optimizer.betas, (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(config.train.epochs, 2U);
  EXPECT_EQ(config.ledger, "off");
}

TEST(TrainConfig, NamesFileLineAndColumnOfAnUnknownKey) {
  EXPECT_MESSAGE(parse("[ledger]\nlevels = \"off\"\n"), ConfigError,
                 "a.toml:2:1: ledger.levels: unknown key; expected one of level");
  EXPECT_MESSAGE(parse("sed = 1\n"), ConfigError,
                 "a.toml:1:1: sed: unknown key; expected one of seed, data, model, optimizer, "
                 "train, sample, ledger");
  EXPECT_MESSAGE(parse("[lodger]\nlevel = 1\n"), ConfigError,
                 "a.toml:1:2: lodger: unknown key; expected one of seed, data, model, optimizer, "
                 "train, sample, ledger");
}

TEST(TrainConfig, SaysWhatWasExpectedAndWhatCame) {
  EXPECT_MESSAGE(parse("seed = \"one\"\n"), ConfigError,
                 "a.toml:1:1: seed: expected an integer from 0 to 4611686018427387904, got "
                 "\"one\"");
  EXPECT_MESSAGE(parse("\n[train]\n  batch = 0\n"), ConfigError,
                 "a.toml:3:3: train.batch: expected an integer from 1 to 65536, got 0");
  EXPECT_MESSAGE(parse("[train]\nbatch = 1.5\n"), ConfigError,
                 "a.toml:2:1: train.batch: expected an integer from 1 to 65536, got 1.5");
  EXPECT_MESSAGE(parse("[optimizer]\nlr = -1e-3\n"), ConfigError,
                 "a.toml:2:1: optimizer.lr: expected a number from 0 to 1000, got -0.001");
  EXPECT_MESSAGE(parse("[optimizer]\nlr = nan\n"), ConfigError,
                 "a.toml:2:1: optimizer.lr: expected a number from 0 to 1000, got nan");
  EXPECT_MESSAGE(parse("[optimizer]\nbetas = [0.9]\n"), ConfigError,
                 "a.toml:2:1: optimizer.betas: expected a list of 2 numbers from 0 to 0.9999999, "
                 "got [0.9]");
  EXPECT_MESSAGE(parse("[optimizer]\nkind = \"adm\"\n"), ConfigError,
                 "a.toml:2:1: optimizer.kind: expected one of sgd, adam, adamw, rmsprop, got "
                 "\"adm\"");
  EXPECT_MESSAGE(parse("[model]\nbatch_norm = 1\n"), ConfigError,
                 "a.toml:2:1: model.batch_norm: expected true or false, got 1");
  EXPECT_MESSAGE(parse("[model.hidden]\na = 1\n"), ConfigError,
                 "a.toml:1:8: model.hidden: expected a list of 1 to 64 integers from 1 to 65536, "
                 "got a table");
  EXPECT_MESSAGE(parse("model = \"mlp\"\n"), ConfigError,
                 "a.toml:1:1: model: expected a table [model], got \"mlp\"");
}

TEST(TrainConfig, NamesThePlaceWhereItIsNoToml) {
  try {
    parse("seed = \n");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("a.toml:1:8: not TOML: ")) << error.what();
  }
}

TEST(TrainConfig, RefusesSettingsTheKindDoesNotHave) {
  EXPECT_MESSAGE(parse("[train]\nsteps = 1\n[model]\nkind = \"mlp\"\nheads = 2\n"), ConfigError,
                 "a.toml:5:1: model.heads: model.kind = \"mlp\" has no such setting; gpt, llama "
                 "have it");
  EXPECT_MESSAGE(parse(kSmall, {"optimizer.momentum=0.9"}), ConfigError,
                 "--set optimizer.momentum=0.9: optimizer.momentum: optimizer.kind = \"adam\" has "
                 "no such setting; sgd, rmsprop have it");
}

TEST(TrainConfig, RefusesContradictions) {
  EXPECT_MESSAGE(parse("seed = 1\n"), ConfigError,
                 "a.toml: train: expected train.steps or train.epochs");
  EXPECT_MESSAGE(parse("[train]\nsteps = 1\nepochs = 1\n"), ConfigError,
                 "a.toml:3:1: train.epochs: expected train.steps or train.epochs");
  EXPECT_MESSAGE(parse(kSmall + "patience = 2\n"), ConfigError,
                 "a.toml:3:1: train.patience: needs train.eval_every");
  EXPECT_MESSAGE(parse(kSmall, {"optimizer.warmup=10"}), ConfigError,
                 "--set optimizer.warmup=10: optimizer.warmup: expected fewer than train.steps, "
                 "10, got 10");
  EXPECT_MESSAGE(parse(kSmall, {"optimizer.min_lr=1e-4"}), ConfigError,
                 "--set optimizer.min_lr=1e-4: optimizer.min_lr: needs optimizer.schedule = "
                 "\"cosine\"");
  EXPECT_MESSAGE(parse(kSmall, {"model.kind=gpt", "model.heads=3"}), ConfigError,
                 "--set model.heads=3: model.heads: expected a divisor of model.width, 128, got 3");
}

TEST(TrainConfig, OverridesWinAndStringsNeedNoQuotes) {
  const Config config =
      parse(kSmall, {"train.steps=20", "model.kind=gpt", "data.name=./1.txt", "model.width=64",
                     "optimizer.betas=[0.8, 0.9]", "sample.prompt=\"a b\""});
  EXPECT_EQ(config.train.steps, 20U);
  EXPECT_EQ(config.model.kind, "gpt");
  EXPECT_EQ(config.data.name, "./1.txt");
  EXPECT_EQ(config.model.width, 64U);
  EXPECT_EQ(config.optimizer.betas[0], 0.8);
  EXPECT_EQ(config.sample.prompt, "a b");
}

TEST(TrainConfig, NamesTheFlagOfABadOverride) {
  EXPECT_MESSAGE(parse(kSmall, {"model.layers=x"}), ConfigError,
                 "--set model.layers=x: model.layers: expected an integer from 1 to 256, got "
                 "\"x\"");
  EXPECT_MESSAGE(parse(kSmall, {"train.step=5"}), ConfigError,
                 "--set train.step=5: train.step: unknown key; expected one of steps, epochs, "
                 "batch, shards, context, eval_every, checkpoint_every, patience, keep");
  EXPECT_MESSAGE(parse(kSmall, {"train"}), ConfigError, "--set train: expected section.key=value");
  EXPECT_MESSAGE(parse(kSmall, {"seed=1\nledger.level=2"}), ConfigError,
                 "--set seed=1\nledger.level=2: seed: expected an integer from 0 to "
                 "4611686018427387904, got \"1\\u000Aledger.level=2\"");
}

TEST(TrainConfig, WhatIsWrittenBackIsCompleteAndReadsTheSame) {
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"model.kind=cnn", "model.dropout=0.1", "optimizer.lr=0.30000000000000004"},
      {"model.kind=gpt", "sample.prompt=\"\\\"a\\\\\\n\\u007f\u00fc\""},
      {"model.kind=llama", "optimizer.kind=adamw", "optimizer.schedule=cosine",
       "optimizer.min_lr=1e-5", "seed=4611686018427387904"},
      {"optimizer.kind=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"},
      {"optimizer.kind=rmsprop", "optimizer.eps=1e-300"}};
  for (const std::vector<std::string>& sets : cases) {
    const Config config = parse(kSmall, sets);
    const std::string text = to_toml(config);
    const Config again = parse_config(text, "b.toml");
    EXPECT_EQ(to_toml(again), text);
    EXPECT_NO_THROW(check_same(config, again, "b.toml"));
    EXPECT_NE(text.find("lr = "), std::string::npos);
    EXPECT_NE(text.find("level = \"digest\""), std::string::npos);
  }
}

TEST(TrainConfig, ShardsDivideABatchWhoseRowsAreIndependent) {
  EXPECT_MESSAGE(parse(kSmall, {"train.shards=3"}), ConfigError,
                 "--set train.shards=3: train.shards: expected a divisor of train.batch, 32, got "
                 "3");
  EXPECT_MESSAGE(parse(kSmall + "shards = 4\n[model]\nkind = \"cnn\"\nbatch_norm = true\n"),
                 ConfigError,
                 "a.toml:3:1: train.shards: expected 1 with model.batch_norm, whose statistics are "
                 "of the whole batch, got 4");
  EXPECT_EQ(parse(kSmall, {"train.shards=4"}).train.shards, 4U);
}

TEST(TrainConfig, NamesTheFirstDifference) {
  EXPECT_MESSAGE(check_same(parse(kSmall), parse(kSmall, {"optimizer.lr=0.5"}), "run/config.toml"),
                 ConfigError,
                 "run/config.toml: optimizer.lr is 0.001, the command asks for 0.5; a run keeps "
                 "its settings");
}

TEST(TrainConfig, EveryShippedConfigurationReads) {
  ASSERT_EQ(configs().size(), 6U);
  for (const NamedConfig& config : configs()) {
    EXPECT_NO_THROW(parse_config(config.text, std::string(config.name))) << config.name;
    EXPECT_TRUE(config.text.starts_with("# " + std::string(config.name) + ": "));
    EXPECT_EQ(find_config(std::string(config.name)).text, config.text);
  }
  EXPECT_MESSAGE(find_config("mnist"), UsageError,
                 "no configuration is called \"mnist\"; there are digits_mlp, mnist_mlp, "
                 "mnist_cnn, fashion_cnn, austen_gpt, austen_llama; a file of one's own ends in "
                 ".toml");
}

TEST(TrainConfig, TheReferenceIsInTheDocumentation) {
  std::ifstream file(std::string(PALINODE_ROOT) + "/docs/training.md");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_NE(text.find(config_reference()), std::string::npos)
      << "docs/training.md lacks the output of `palinode train --settings`";
}

}  // namespace
}  // namespace palinode::experiments::train
