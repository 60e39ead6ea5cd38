// `palinode adapt`, `certify`, `detach`, `behavior` and `inspect`: what they print and leave, and
// the codes they end with.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/command.h"
#include "rbl/behavior_file.h"
#include "tensor/file.h"
#include "tests/experiments/behavior/digits_model.h"

namespace palinode::experiments {
namespace {

TEST(AdaptCommand, TrainsABehaviorOverAModelThatStaysAsItIs) {
  const DigitsModel digits;
  const std::string before = read(digits.model);
  const nlohmann::json found =
      json_of(digits.adapt("unit", {"--kind", "lora", "--set", "rank=3", "--set", "alpha=0.3",
                                    "--steps", "30", "--set", "optimizer.lr=0.01", "--json"}));
  EXPECT_EQ(read(digits.model), before);
  EXPECT_LT(found["after"]["loss"], found["before"]["loss"]);
  EXPECT_EQ(found["steps"], 30);
  const SafetensorsFile file = read_safetensors(digits.file("unit"));
  EXPECT_EQ(file.metadata.at("settings"), R"({"alpha":0.3,"rank":3.0,"rank_stabilized":0.0})");
  EXPECT_EQ(file.metadata.at("identity"), found["identity"]);
  EXPECT_EQ(file.metadata.at("digest"), found["digest"]);
  EXPECT_EQ(file.metadata.at("data_digest").size(), 64U);
  EXPECT_EQ(file.metadata.at("command"), "palinode adapt --identity " + digits.model +
                                             " --kind lora --set rank=3 --set alpha=0.3 --set "
                                             "optimizer.lr=0.01 --set train.steps=30");
  EXPECT_EQ(run_all({"ledger", "verify", digits.file("unit.ledger.jsonl"), "--head",
                     found["ledger"]["head"]})
                .code,
            0);
  EXPECT_EQ(json_of(run_all({"eval", "--model", digits.model, "--split", "validation", "--behavior",
                             digits.file("unit"), "--json"}))["result"],
            found["after"]);
  EXPECT_EQ(json_of(run_all(
                {"eval", "--model", digits.model, "--split", "validation", "--json"}))["result"],
            found["before"]);
}

TEST(AdaptCommand, GivesTheSameBytesAgain) {
  const DigitsModel digits;
  const std::vector<std::string> same = {"--kind", "ia3", "--steps", "5", "--overwrite"};
  ASSERT_EQ(digits.adapt("unit", same).code, 0);
  const std::string unit = read(digits.file("unit")),
                    ledger = read(digits.file("unit.ledger.jsonl"));
  ASSERT_EQ(digits.adapt("unit", same).code, 0);
  EXPECT_EQ(read(digits.file("unit")), unit);
  EXPECT_EQ(read(digits.file("unit.ledger.jsonl")), ledger);
}

TEST(AdaptCommand, ReadsAConfigurationAndGoesOnAsTheNextVersion) {
  const DigitsModel digits;
  write_file_atomically(digits.file("adapt.toml"),
                        "[behavior]\nkind = \"dora\"\nsites = [\"layer.0\"]\nrank = 2\n"
                        "[train]\nsteps = 4\n[optimizer]\nkind = \"sgd\"\nlr = 0.1\n");
  ASSERT_EQ(digits.adapt("one", {"--config", digits.file("adapt.toml")}).code, 0);
  const rbl::Metadata first = read_safetensors(digits.file("one")).metadata;
  EXPECT_EQ(first.at("kind"), "dora");
  EXPECT_EQ(first.at("sites"), R"(["layer.0"])");
  EXPECT_EQ(first.at("version"), "1");
  ASSERT_EQ(digits.adapt("two", {"--from", digits.file("one"), "--steps", "2"}).code, 0);
  const rbl::Metadata second = read_safetensors(digits.file("two")).metadata;
  EXPECT_EQ(second.at("version"), "2");
  EXPECT_EQ(second.at("parent"), first.at("digest"));
  EXPECT_NE(second.at("digest"), first.at("digest"));
  EXPECT_EQ(second.at("settings"), first.at("settings"));
}

TEST(AdaptCommand, SaysWhatIsWrongAndLeavesNoFile) {
  const DigitsModel digits;
  const auto refused = [&](const std::vector<std::string>& more, const std::string& why) {
    expect_one_line(digits.adapt("unit", more), 2, why);
    EXPECT_FALSE(std::filesystem::exists(digits.file("unit")));
    EXPECT_FALSE(std::filesystem::exists(digits.file("unit.ledger.jsonl")));
  };
  refused({}, "adapt: expected --kind, --from or [behavior] kind");
  refused({"--kind", "lore"}, "behavior: no kind named lore; there are lora, dora");
  refused({"--kind", "prefix"}, "prefix: this mlp has no site for it");
  refused({"--kind", "lora", "--set", "rank=0"}, "lora: rank is a whole number from 1 to 65536");
  refused({"--kind", "lora", "--set", "rank=many"}, "--set rank=many: expected name=number");
  refused({"--kind", "lora", "--set", "width=2"}, "lora: there is no setting width");
  refused({"--kind", "lora", "--site", "layer.9"}, "lora: no site named layer.9");
  refused({"--kind", "lora", "--set", "train.keep=best"},
          "train.keep: an adaptation keeps its last");
  refused({"--kind", "lora", "--data", "fashion"}, "no data set is called \"fashion\"");
  ASSERT_EQ(digits.adapt("unit", {"--kind", "bias", "--steps", "1"}).code, 0);
  expect_one_line(digits.adapt("unit", {"--kind", "bias"}), 2, "is there already; --overwrite");
}

TEST(CertifyCommand, ProvesThatNothingIsLeft) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("a", {"--kind", "lora", "--steps", "5"}).code, 0);
  ASSERT_EQ(digits.adapt("b", {"--kind", "dense", "--steps", "5"}).code, 0);
  const std::vector<std::string> both = {"--identity",     digits.model, "--behavior",
                                         digits.file("a"), "--behavior", digits.file("b")};
  const Ended text = run_all(std::vector<std::string>{"certify"} + both);
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("verdict    exact: every bit is back\n"), std::string::npos) << text.out;
  const nlohmann::json found =
      json_of(run_all(std::vector<std::string>{"certify"} + both +
                      std::vector<std::string>{"--json", "--out", digits.file("c.json")}));
  EXPECT_EQ(found, nlohmann::json::parse(read(digits.file("c.json"))));
  EXPECT_EQ(found["exact"], true);
  EXPECT_EQ(found["logits_xxh3"]["before"], found["logits_xxh3"]["after"]);
  EXPECT_NE(found["logits_xxh3"]["before"], found["logits_xxh3"]["during"]);
  EXPECT_GT(found["during"]["kl"], 0);
  EXPECT_EQ(found["after"]["kl"], 0);
  EXPECT_EQ(found["behaviors"].size(), 2U);
  expect_one_line(run_all({"certify", "--identity", digits.model}), 2, "expected --behavior FILE");
}

TEST(DetachCommand, GivesAReceiptForEachBehaviorLastFirst) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("a", {"--kind", "lora", "--steps", "2"}).code, 0);
  ASSERT_EQ(digits.adapt("b", {"--kind", "bias", "--steps", "2"}).code, 0);
  const Ended ended = run_all({"detach", "--identity", digits.model, "--behavior", digits.file("a"),
                               "--behavior", digits.file("b")});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const std::size_t b = ended.out.find("detached   bias with 138 values, " + digits.file("b") +
                                       ", 552 bytes; 1 attached\n");
  const std::size_t a = ended.out.find("detached   lora with ");
  EXPECT_LT(b, a) << ended.out;
  EXPECT_NE(ended.out.find("; 0 attached\n"), std::string::npos);
  EXPECT_NE(ended.out.find("verdict    exact"), std::string::npos);
}

TEST(EvalCommand, RefusesABehaviorOfAnotherIdentityUnlessForced) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("unit", {"--kind", "lora", "--steps", "2"}).code, 0);
  ASSERT_EQ(run_all({"train", "digits_mlp", "--quiet", "--out", digits.file("other"), "--set",
                     "train.steps=3", "--ledger", "off"})
                .code,
            0);
  const std::vector<std::string> eval = {"eval", "--run", digits.file("other"), "--behavior",
                                         digits.file("unit")};
  expect_one_line(run_all(eval), 3, "was made for the identity ");
  const Ended forced = run_all(eval + std::vector<std::string>{"--force"});
  EXPECT_EQ(forced.code, 0);
  EXPECT_TRUE(forced.out.starts_with("active      lora with ")) << forced.out;
  EXPECT_NE(forced.out.find(" (forced onto another identity)\n"), std::string::npos);
}

TEST(BehaviorCommand, SendsABehaviorThroughPeftAndBackToTheBit) {
  const DigitsModel digits;
  ASSERT_EQ(
      digits.adapt("unit", {"--kind", "lora", "--steps", "3", "--set", "rank_stabilized=1"}).code,
      0);
  ASSERT_EQ(run_all({"behavior", "export-peft", digits.file("unit"), "--identity", digits.model,
                     "--out", digits.file("peft")})
                .code,
            0);
  const Ended back = run_all({"behavior", "import-peft", digits.file("peft"), "--identity",
                              digits.model, "--out", digits.file("back")});
  EXPECT_EQ(back.code, 0) << back.err;
  const SafetensorsFile one = read_safetensors(digits.file("unit"));
  const SafetensorsFile two = read_safetensors(digits.file("back"));
  EXPECT_EQ(one.metadata.at("digest"), two.metadata.at("digest"));
  EXPECT_EQ(one.metadata.at("settings"), two.metadata.at("settings"));
  EXPECT_NE(back.out.find(one.metadata.at("digest")), std::string::npos) << back.out;
  expect_one_line(run_all({"behavior", "import-peft", digits.file("peft"), "--identity",
                           digits.model, "--names", "llama", "--out", digits.file("x")}),
                  2, "these are the names of a llama, the identity is a mlp");
  ASSERT_EQ(digits.adapt("bias", {"--kind", "bias", "--steps", "1"}).code, 0);
  expect_one_line(run_all({"behavior", "export-peft", digits.file("bias"), "--identity",
                           digits.model, "--out", digits.file("y")}),
                  2, "a bias has no form in PEFT");
}

TEST(InspectCommand, ShowsWhatEveryFileHolds) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("unit", {"--kind", "lora", "--steps", "2"}).code, 0);
  ASSERT_EQ(run_all({"behavior", "export-peft", digits.file("unit"), "--identity", digits.model,
                     "--out", digits.file("peft")})
                .code,
            0);
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {digits.model, "model"},
      {digits.file("unit"), "behavior"},
      {digits.file("run/checkpoint.safetensors"), "checkpoint"},
      {digits.file("unit.ledger.jsonl"), "ledger"},
      {digits.file("peft"), "PEFT adapter"},
      {digits.file("peft/adapter_model.safetensors"), "safetensors"}};
  for (const auto& [path, kind] : kinds) {
    const nlohmann::json found = json_of(run_all({"inspect", path, "--json"}));
    EXPECT_EQ(found["file"], kind) << path;
    EXPECT_EQ(found["sound"], true);
    const Ended text = run_all({"inspect", path});
    EXPECT_TRUE(text.out.starts_with(path + ": " + kind + "\n")) << text.out;
  }
  const rbl::Metadata metadata = read_safetensors(digits.file("unit")).metadata;
  const nlohmann::json model = json_of(run_all({"inspect", digits.model, "--json"}));
  EXPECT_EQ(model["fingerprint"], metadata.at("identity"));
  EXPECT_EQ(model["tensors"][0]["name"], "layer.0.bias");
  EXPECT_EQ(model["tensors"][0]["bytes"], 512);
  for (const std::string& path : {digits.file("unit"), digits.file("peft")}) {
    const nlohmann::json fits =
        json_of(run_all({"inspect", path, "--identity", digits.model, "--json"}));
    EXPECT_EQ(fits["loads onto"], digits.model);
  }
}

TEST(InspectCommand, RefusesWhatIsDamaged) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("unit", {"--kind", "lora", "--steps", "2"}).code, 0);
  std::string bytes = read(digits.file("unit"));
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 4);
  write_file_atomically(digits.file("unit"), bytes);
  expect_one_line(run_all({"inspect", digits.file("unit")}), 3, "altered: it states the digest ");
  std::string ledger = read(digits.file("unit.ledger.jsonl"));
  ledger[ledger.size() / 2] ^= 1;
  write_file_atomically(digits.file("unit.ledger.jsonl"), ledger);
  const Ended broken = run_all({"inspect", digits.file("unit.ledger.jsonl")});
  EXPECT_EQ(broken.code, 1);
  EXPECT_NE(broken.out.find("broken: line "), std::string::npos) << broken.out;
  expect_one_line(run_all({"inspect", "/nowhere"}), 3, "/nowhere");
}

// A text goes on under a soft prompt, which takes its rows of the context.
TEST(GenerateCommand, WritesWithABehavior) {
  const rbl::TemporaryFolder folder("generate_behavior");
  ASSERT_EQ(run_all({"train", "austen_llama", "--quiet", "--out", folder / "run", "--set",
                     "train.steps=2", "--set", "optimizer.warmup=0", "--set", "data.name=devil",
                     "--set", "data.validation=640", "--set", "sample.tokens=0", "--set",
                     "model.layers=1", "--set", "train.context=16"})
                .code,
            0);
  const std::string model = folder / "run/model.safetensors";
  ASSERT_EQ(run_all({"adapt", "--identity", model, "--kind", "soft-prompt", "--set", "length=4",
                     "--steps", "2", "--set", "train.batch=2", "--quiet", "--out", folder / "unit"})
                .code,
            0);
  const std::vector<std::string> generate = {
      "generate", "--model", model, "--prompt", "The ", "--tokens", "40", "--temperature", "2"};
  const Ended plain = run_all(generate);
  const Ended prompted =
      run_all(generate + std::vector<std::string>{"--behavior", folder / "unit"});
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(prompted.code, 0) << prompted.err;
  EXPECT_NE(plain.out, prompted.out);
  EXPECT_TRUE(prompted.err.starts_with("active      soft-prompt with ")) << prompted.err;
  EXPECT_EQ(run_all({"certify", "--identity", model, "--behavior", folder / "unit"}).code, 0);
}

TEST(BehaviorCommands, SignAndVerifyAFile) {
  const DigitsModel digits;
  ASSERT_EQ(digits.adapt("unit", {"--kind", "lora", "--steps", "3"}).code, 0);
  const std::string unit = digits.file("unit");
  ASSERT_EQ(run_all({"behavior", "keys", digits.file("me")}).code, 0);
  ASSERT_EQ(run_all({"behavior", "keys", digits.file("other")}).code, 0);
  EXPECT_EQ(run_all({"behavior", "verify", unit}).code, kCheckFailed);
  ASSERT_EQ(run_all({"behavior", "sign", unit, "--key", digits.file("me.key")}).code, 0);
  EXPECT_EQ(run_all({"behavior", "verify", unit, "--trust", digits.file("me.pub")}).code, 0);
  EXPECT_EQ(run_all({"behavior", "verify", unit, "--trust", digits.file("other.pub")}).code,
            kCheckFailed);
  EXPECT_EQ(run_all({"certify", "--identity", digits.model, "--behavior", unit}).code, 0);
  // A signature of something else.
  SafetensorsFile content = read_safetensors(unit);
  content.metadata["note.author"] = "somebody";
  content.metadata[rbl::kManifest] = rbl::manifest_digest(content.metadata);
  write_safetensors(unit, content);
  EXPECT_EQ(run_all({"behavior", "verify", unit}).code, kBadInput);
  EXPECT_EQ(run_all({"certify", "--identity", digits.model, "--behavior", unit}).code, kBadInput);
  EXPECT_EQ(run_all({"behavior", "sign", unit, "--key", digits.file("me.pub")}).code, kBadInput);
}

TEST(BehaviorCommands, HelpHasExamples) {
  for (const char* command : {"adapt", "detach", "certify", "behavior", "inspect"}) {
    const Ended ended = run({command, "--help"});
    EXPECT_EQ(ended.code, 0);
    EXPECT_NE(ended.out.find(std::string("  palinode ") + command + " "), std::string::npos);
  }
}

}  // namespace
}  // namespace palinode::experiments
