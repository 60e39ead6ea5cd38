// `palinode ledger`: what it prints of a small ledger, and the code it ends with.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tensor/checkpoint.h"
#include "tensor/ledger.h"
#include "tensor/ledger_file.h"
#include "tests/experiments/command_line.h"

namespace palinode::experiments {
namespace {

namespace fs = std::filesystem;

struct LedgerCommand : testing::Test {
  std::string folder = testing::TempDir() + "palinode_ledger_" + std::to_string(::getpid());
  std::string path = folder + "/ledger.jsonl", checkpoint = folder + "/end.safetensors";
  std::string out = folder + "/out";
  Sha256Digest head{};

  LedgerCommand() {
    fs::create_directories(folder);
    write(Ledger::Level::kJournal);
  }
  ~LedgerCommand() override { fs::remove_all(folder); }

  // theta/w = (1, 2), then noise, then two steps that create and move phi/b.
  void write(Ledger::Level level) {
    Ledger ledger(level, path);
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const Store& phi = ledger.open("phi", Role::kBehavior);
    const auto pair = [](float a, float b) {
      return Tensor::from<float>(std::vector<float>{a, b}, {2});
    };
    ledger.commit({.proposer = "model", .writes = {{&theta, "w", pair(1, 2), true}}});
    ledger.commit(
        {.reason = Reason::kNoise, .proposer = "noise", .writes = {{&theta, "w", pair(1, 0.1F)}}});
    for (std::uint64_t step = 1; step <= 2; ++step) {
      ledger.commit({.reason = Reason::kSgd,
                     .proposer = "sgd.phi",
                     .step = step,
                     .writes = {{&phi, "b", pair(static_cast<float>(step), 0), step == 1}}});
    }
    save_checkpoint(checkpoint, ledger);
    head = ledger.head();
  }

  Ended ledger(const std::vector<std::string>& arguments) const {
    std::vector<const char*> all = {"ledger"};
    for (const std::string& argument : arguments) all.push_back(argument.c_str());
    return run(all);
  }
  std::string printed(const std::vector<std::string>& arguments) const {
    const Ended ended = ledger(arguments);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return ended.out;
  }
};

TEST_F(LedgerCommand, ShowsRecordsAndFiltersThem) {
  EXPECT_EQ(printed({"show", path, "--from", "2", "--to", "2"}),
            "       2  theta/w                      noise    by noise step 0  1 of 2 changed, at "
            "most 1.9, l2 1.9\n");
  const auto count = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"show", path};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const std::string text = printed(arguments);
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(count({}), 5);
  EXPECT_EQ(count({"--store", "theta"}), 2);
  EXPECT_EQ(count({"--name", "b"}), 2);
  EXPECT_EQ(count({"--reason", "sgd", "--from", "4"}), 1);
  EXPECT_EQ(count({"--name", "none"}), 0);
  EXPECT_EQ(printed({"show", path, "--json"}), read(path));
}

TEST_F(LedgerCommand, VerifiesChainHeadAndPayloads) {
  EXPECT_NE(printed({"verify", path, "--head", hex(head)}).find("5 records, "), std::string::npos);
  const Ended other = ledger({"verify", path, "--head", std::string(64, '0')});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.out.find("records are missing"), std::string::npos);
  fs::resize_file(journal_path(path), fs::file_size(journal_path(path)) - 1);
  const Ended cut = ledger({"verify", path});
  EXPECT_EQ(cut.code, 1);
  EXPECT_NE(cut.out.find("broken after 4 records: line 5: "), std::string::npos) << cut.out;
  expect_one_line(ledger({"verify", path, "--journal", path + ".none"}), 3, "cannot read");
}

TEST_F(LedgerCommand, SaysWhyAnElementIsWhatItIs) {
  EXPECT_EQ(printed({"why", path, "w[1]"}),
            "       1  init     by model step 0  nothing -> 2 (0x40000000)\n"
            "       2  noise    by noise step 0  2 (0x40000000) -> 0.1 (0x3dcccccd)\n"
            "theta/w: 2 writes\n");
  EXPECT_NE(printed({"why", path, "theta/w[0]"}).find("1 (0x3f800000)  unchanged\n"),
            std::string::npos);
  EXPECT_EQ(printed({"why", path, "theta/w[0]", "--changed"}),
            "       1  init     by model step 0  nothing -> 1 (0x3f800000)\ntheta/w: 1 write\n");
  const auto json = nlohmann::json::parse(printed({"why", path, "w[1]", "--json"}));
  EXPECT_EQ(json[1]["after"]["bits"], "0x3dcccccd");
  expect_one_line(ledger({"why", path, "w[2]"}), 2, "its shape is [2]");
  expect_one_line(ledger({"why", path, "w["}), 2, "NAME[i]");
}

TEST_F(LedgerCommand, SaysThatAnElementNeedsAJournal) {
  write(Ledger::Level::kDigest);
  const Ended ended = ledger({"why", path, "w[1]"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.out.find("noise    by noise step 0  1 of 2 changed"), std::string::npos);
  EXPECT_NE(ended.err.find("needs a ledger of the level journal"), std::string::npos);
  expect_one_line(ledger({"replay", path}), 2, "replaying needs the level journal");
  expect_one_line(ledger({"undo", path, "--to", "2", "--checkpoint", checkpoint, "--out", out}), 2,
                  "undoing needs the level journal");
}

TEST_F(LedgerCommand, ReportsWhatEachOperationChangedAndWhatNot) {
  const std::string text = printed({"report", path});
  EXPECT_NE(text.find("2 to 2  noise by noise, steps 0 to 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("not changed: theta/w\n"), std::string::npos) << text;
  EXPECT_EQ(nlohmann::json::parse(printed({"report", path, "--json"})).size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(printed({"report", path, "--commits", "--json"})).size(), 4U);
}

TEST_F(LedgerCommand, ReplaysAndChecks) {
  EXPECT_NE(printed({"replay", path, "--check", checkpoint}).find("bit for bit"),
            std::string::npos);
  const std::string early = folder + "/early.safetensors";
  printed({"replay", path, "--to", "3", "--out", early});
  EXPECT_EQ(load_checkpoint(early).sequence, 4U);
  const Ended differs = ledger({"replay", path, "--check", early});
  EXPECT_EQ(differs.code, 1);
  EXPECT_NE(differs.out.find("differs in bits of phi/b"), std::string::npos) << differs.out;
}

TEST_F(LedgerCommand, UndoesIntoANewFolderAndLeavesTheSourceAlone) {
  const std::string before = read(path);
  for (const bool from_checkpoint : {true, false}) {
    std::vector<std::string> arguments = {"undo", path, "--to", "1", "--out", out};
    if (from_checkpoint) arguments.insert(arguments.end(), {"--checkpoint", checkpoint});
    EXPECT_NE(printed(arguments).find("1 values put back, 1 entries removed"), std::string::npos);
    EXPECT_EQ(read(path), before);
    const LedgerVerdict verdict = verify_ledger(out + "/ledger.jsonl");
    EXPECT_TRUE(verdict.intact) << verdict.fault;
    Ledger ledger(load_checkpoint(out + "/checkpoint.safetensors"), out + "/ledger.jsonl");
    EXPECT_EQ(ledger.head(), verdict.head);
    EXPECT_EQ(ledger.open("theta", Role::kIdentity).at("w").values<float>()[1], 2.0F);
    EXPECT_TRUE(ledger.open("phi", Role::kBehavior).entries().empty());
    fs::remove_all(out);
  }
}

TEST_F(LedgerCommand, UndoWantsTheCheckpointOfTheEndAndANewFolder) {
  const std::string early = folder + "/early.safetensors";
  printed({"replay", path, "--to", "2", "--out", early});
  expect_one_line(ledger({"undo", path, "--to", "1", "--checkpoint", early, "--out", out}), 2,
                  "expected one of the ledger's end, after 5 records, got one after 3");
  expect_one_line(ledger({"undo", path, "--to", "1", "--out", folder}), 2,
                  "expected a new or an empty folder");
  expect_one_line(ledger({"undo", path, "--to", "9", "--out", out}), 2, "there is no record 9 yet");
}

}  // namespace
}  // namespace palinode::experiments
