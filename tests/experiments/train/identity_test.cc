// The language identity (experiments/identity/): the committed file is the one that was published,
// computes what it computed then, and is what its command builds.
//
// PALINODE_EXHAUSTIVE=1 trains it again: some minutes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "experiments/train/configs.h"
#include "experiments/train/generate.h"
#include "experiments/train/loop.h"
#include "experiments/train/model_io.h"
#include "experiments/train/task.h"
#include "tensor/store.h"
#include "tests/experiments/train/temporary_run.h"

namespace palinode::experiments::train {
namespace {

constexpr std::string_view kFingerprint =
    "a0d040a4540c34e46ec26f25b0bf0512913d554f59730c513041d71fa2cf78e1";

std::string committed() { return PALINODE_ROOT "/experiments/identity/austen_gpt.safetensors"; }

Config published_settings() {
  const ConfigSource source = find_config("austen_gpt");
  return parse_config(source.text, source.name);
}

TEST(LanguageIdentity, HasThePublishedFingerprint) {
  const TrainedModel model = load_trained(committed());
  EXPECT_EQ(hex(fingerprint(model.network->store())), kFingerprint);
  const std::string readme = bytes_of(PALINODE_ROOT "/experiments/identity/README.md");
  EXPECT_NE(readme.find(kFingerprint), std::string::npos) << "its README says another";
}

TEST(LanguageIdentity, WasTrainedWithTheConfigurationInTheProgram) {
  EXPECT_EQ(to_toml(load_trained(committed()).config), to_toml(published_settings()));
}

TEST(LanguageIdentity, HasThePublishedValidationLossBitForBit) {
  TrainedModel model = load_trained(committed());
  model.config.data.validation = 2048;
  const Task task = make_task(model.config, model.tokenizer);
  const Evaluation evaluation = evaluate(*model.network, task.validation);
  EXPECT_EQ(evaluation.labels, 2048U);
  EXPECT_EQ(evaluation.loss, 1.3738268141705796);
}

TEST(LanguageIdentity, ContinuesAPromptAsPublished) {
  const TrainedModel model = load_trained(committed());
  std::string text;
  generate_text(model, {.prompt = "It is a truth ", .tokens = 100},
                [&](std::string_view piece) { text += piece; });
  EXPECT_EQ(text,
            "the great about about in her sister, me, as\n"
            "with an certain, which he difference, and he can good ab");
}

TEST(LanguageIdentityExhaustive, IsWhatItsCommandBuilds) {
  if (std::getenv("PALINODE_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "PALINODE_EXHAUSTIVE not set";
  const TemporaryRun folder("identity");
  const Config config = published_settings();
  folder.start(config);
  const RunResult result = run_loop(config, folder, {.quiet = true}, prepare(config));
  EXPECT_EQ(hex(result.model), kFingerprint);
  EXPECT_TRUE(bytes_of(folder.model()) == bytes_of(committed())) << "the files differ";
}

}  // namespace
}  // namespace palinode::experiments::train
