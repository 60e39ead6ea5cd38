// The level journal in the door itself: its files, a disk that is full, entries that go.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_replay.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

Tensor value(float x) { return Tensor::from<float>(std::vector<float>{x, -x, 0.1F * x}, {3}); }

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct LedgerFiles : testing::TestWithParam<Ledger::Level> {
  std::string path = testing::TempDir() + "palinode_files_" + std::to_string(::getpid()) + ".jsonl";
  std::string journal = journal_path(path);
  ~LedgerFiles() override {
    std::filesystem::remove(path);
    std::filesystem::remove(journal);
  }
};

// Ten writes to a store that has ten entries or gets them.
Proposal ten(const Store& store, float x) {
  Proposal proposal{.reason = Reason::kNoise, .proposer = "test"};
  for (int i = 0; i < 10; ++i) {
    const std::string name = "w" + std::to_string(i);
    const Tensor next = value(x + static_cast<float>(i));
    proposal.writes.push_back({&store, name, next, !store.contains(name)});
  }
  return proposal;
}

TEST_P(LedgerFiles, AFullDiskLeavesNoRecordOfWhatWasNotDone) {
  Ledger ledger(GetParam(), path);
  const Store& store = ledger.open("s", Role::kIdentity);
  ledger.commit(ten(store, 1));
  const std::string before = bytes_of(path);
  const bool journaled = GetParam() == Ledger::Level::kJournal;
  const std::string payloads = journaled ? bytes_of(journal) : "";
  const Sha256Digest head = ledger.head();
  // Room for some whole records, none, or a part of one.
  for (const std::size_t room : {0U, 1U, 200U, 500U, 1000U, 1300U}) {
    {
      const FileSizeLimit limit(before.size() + room);
      EXPECT_MESSAGE(ledger.commit(ten(store, 2)), EnvironmentError,
                     "ledger: cannot write " + path);
    }
    EXPECT_EQ(bytes_of(path), before) << room;
    EXPECT_EQ(journaled ? bytes_of(journal) : "", payloads) << room;
    EXPECT_EQ(ledger.head(), head);
    EXPECT_EQ(store.at("w0").values<float>()[0], 1.0F);
  }
  ledger.commit(ten(store, 3));  // there is room again
  const LedgerVerdict verdict = verify_ledger(path);
  EXPECT_TRUE(verdict.intact) << verdict.fault;
  EXPECT_EQ(verdict.records, ledger.sequence());
  EXPECT_EQ(verdict.head, ledger.head());
}

INSTANTIATE_TEST_SUITE_P(Levels, LedgerFiles,
                         testing::Values(Ledger::Level::kSummary, Ledger::Level::kDigest,
                                         Ledger::Level::kJournal),
                         [](const auto& info) { return std::string(level_name(info.param)); });

struct Journal : LedgerFiles {};
INSTANTIATE_TEST_SUITE_P(Levels, Journal, testing::Values(Ledger::Level::kJournal));

TEST_P(Journal, AFullDiskForThePayloadsIsNamed) {
  Ledger ledger(GetParam(), path);
  const Store& store = ledger.open("s", Role::kIdentity);
  Proposal large{.proposer = "test"};
  TensorBuilder builder({5000}, Dtype::kF64);
  for (std::size_t i = 0; i < 5000; ++i) {
    builder.values<double>()[i] = 1.0 / static_cast<double>(3 * i + 1);
  }
  large.writes.push_back({&store, "x", std::move(builder).build(), true});
  {
    const FileSizeLimit limit(10000);
    EXPECT_MESSAGE(ledger.commit(large), EnvironmentError, "ledger: cannot write " + journal);
  }
  EXPECT_EQ(std::filesystem::file_size(journal), 0U);
  EXPECT_FALSE(store.contains("x"));
  ledger.commit(large);
  EXPECT_TRUE(verify_ledger(path).intact);
}

TEST_P(Journal, HasTheRecordsOfTheLevelDigestAndMore) {
  const std::string other = path + ".digest";
  for (const auto& [level, name] :
       {std::pair(Ledger::Level::kJournal, path), std::pair(Ledger::Level::kDigest, other)}) {
    Ledger ledger(level, name);
    const Store& store = ledger.open("s", Role::kIdentity);
    for (const float x : {1.0F, 2.0F}) ledger.commit(ten(store, x));
    ledger.freeze(store);
  }
  LedgerReader a(path), b(other);
  a.next();
  b.next();
  while (a.next()) {
    ASSERT_TRUE(b.next());
    EXPECT_TRUE(a.body().starts_with(b.body())) << a.body();
  }
  EXPECT_FALSE(b.next());
  std::filesystem::remove(other);
}

TEST_P(Journal, ACommitThatLacksItsLastRecordsIsFound) {
  {
    Ledger ledger(GetParam(), path);
    ledger.commit(ten(ledger.open("s", Role::kIdentity), 1));
  }
  std::string text = bytes_of(path);
  text.resize(text.rfind('\n', text.size() - 2) + 1);
  std::ofstream(path, std::ios::binary) << text;
  const LedgerVerdict verdict = verify_ledger(path);
  EXPECT_FALSE(verdict.intact);
  EXPECT_EQ(verdict.fault, "line 11: the commit of records 1 to 10 is cut off");
}

TEST_P(Journal, ATornTailIsCutOffWhenTheRunGoesOn) {
  Checkpoint taken;
  {
    Ledger ledger(GetParam(), path);
    const Store& store = ledger.open("s", Role::kIdentity);
    ledger.commit(ten(store, 1));
    taken = checkpoint_of(ledger);
    ledger.commit(ten(store, 2));
  }
  const std::string records = bytes_of(path), payloads = bytes_of(journal);
  // Payloads are written first, so a process that dies leaves one of these.
  for (const auto& [lines, bytes] :
       {std::pair(records.size(), payloads.size()), std::pair(records.size() - 50, payloads.size()),
        std::pair(records.size() / 2 + 200, payloads.size()),
        std::pair(records.size() / 2 + 200, payloads.size() - 5)}) {
    std::ofstream(path, std::ios::binary) << records.substr(0, lines);
    std::ofstream(journal, std::ios::binary) << payloads.substr(0, bytes);
    Ledger ledger(taken, path);
    const Store& store = ledger.open("s", Role::kIdentity);
    ledger.commit(ten(store, 2));
    EXPECT_EQ(bytes_of(path), records);
    EXPECT_EQ(bytes_of(journal), payloads);
  }
}

TEST_P(Journal, ThatIsTooShortForTheCheckpointIsRefusedAndLeftAlone) {
  Checkpoint taken;
  {
    Ledger ledger(GetParam(), path);
    ledger.commit(ten(ledger.open("s", Role::kIdentity), 1));
    taken = checkpoint_of(ledger);
  }
  const std::size_t size = std::filesystem::file_size(journal);
  std::filesystem::resize_file(journal, size - 1);
  EXPECT_THROW(Ledger(taken, path), FormatError);
  EXPECT_EQ(std::filesystem::file_size(journal), size - 1);
  std::filesystem::remove(journal);
  EXPECT_THROW(Ledger(taken, path), FormatError);
}

TEST_P(Journal, OfAnEarlierLedgerGoesWithIt) {
  {
    Ledger ledger(GetParam(), path);
    ledger.commit(ten(ledger.open("s", Role::kIdentity), 1));
  }
  EXPECT_TRUE(std::filesystem::exists(journal));
  const Ledger other(Ledger::Level::kDigest, path);
  EXPECT_FALSE(std::filesystem::exists(journal));
}

TEST_P(LedgerFiles, ARemovalIsRecordedAtEveryLevelAndResumed) {
  Checkpoint taken;
  std::string records;
  {
    Ledger ledger(GetParam(), path);
    const Store& store = ledger.open("s", Role::kIdentity);
    ledger.commit(ten(store, 1));
    Proposal removal{.reason = Reason::kUndo, .proposer = "test", .removals = {{&store, "w9"}}};
    ledger.commit(removal);
    EXPECT_EQ(store.entries().size(), 9U);
    EXPECT_FALSE(store.contains("w9"));
    taken = checkpoint_of(ledger);
  }
  Record record;
  LedgerReader reader(path);
  while (reader.next()) record = reader.record();
  reader.require_no_fault();
  EXPECT_TRUE(record.removed);
  EXPECT_EQ(record.where(), "s/w9");
  EXPECT_EQ(record.changed, 3U);
  const Ledger resumed(taken, path);
  EXPECT_EQ(resumed.head(), taken.head);
}

TEST(Removal, TakesTheNewestEntryFirst) {
  Ledger ledger;
  const Store& store = ledger.open("s", Role::kIdentity);
  ledger.commit(ten(store, 1));
  const auto remove = [&](const char* name) {
    return Proposal{.reason = Reason::kUndo, .proposer = "t", .removals = {{&store, name}}};
  };
  EXPECT_MESSAGE(ledger.commit(remove("w3")), NameError,
                 "commit: s/w3 cannot be removed: the newest entry goes first, which is w9; "
                 "proposed by t, step 0");
  EXPECT_THROW(ledger.commit(remove("v")), NameError);
  Proposal both = remove("w9");
  both.writes.push_back({&store, "w9", value(5)});
  EXPECT_MESSAGE(ledger.commit(both), NameError,
                 "commit: s/w9 is removed and written; proposed by t, step 0");
  Proposal twice = remove("w9");
  twice.removals.push_back({&store, "w9"});
  EXPECT_THROW(ledger.commit(twice), NameError);
  EXPECT_EQ(store.entries().size(), 10U);
  both.writes[0].create = true;  // anew, with another shape
  both.writes[0].value = Tensor::zeros({7}, Dtype::kF64);
  ledger.commit(both);
  EXPECT_EQ(store.at("w9").describe(), "f64 [7]");
  EXPECT_EQ(store.index("w9"), 9U);
  ledger.freeze(store);
  EXPECT_THROW(ledger.commit(remove("w9")), FrozenError);
}

TEST(Removal, GoesWithNewEntriesInOneCommit) {
  Ledger ledger;
  const Store& store = ledger.open("s", Role::kIdentity);
  ledger.commit(ten(store, 1));
  Proposal proposal{.reason = Reason::kUndo, .proposer = "t"};
  for (const char* name : {"w9", "w8"}) proposal.removals.push_back({&store, name});
  proposal.writes.push_back({&store, "w0", value(9)});
  for (const char* name : {"x", "y", "w8"})
    proposal.writes.push_back({&store, name, value(2), true});
  ledger.commit(proposal);
  std::vector<std::string> names;
  for (const Entry& entry : store.entries()) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "x",
                                             "y", "w8"}));
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(store.index(names[i]), i);
  EXPECT_EQ(store.at("w0").values<float>()[0], 9.0F);
}

}  // namespace
}  // namespace palinode
