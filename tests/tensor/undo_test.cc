#include "tensor/undo.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/ledger_replay.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

Tensor of(std::initializer_list<float> values) {
  return Tensor::from<float>(std::vector<float>(values), {values.size()});
}

// Each test runs on a journal in a file and on one in memory.
struct Undo : testing::TestWithParam<bool> {
  std::string path = testing::TempDir() + "palinode_undo_" + std::to_string(::getpid()) + ".jsonl";
  std::unique_ptr<Ledger> owned = GetParam()
                                      ? std::make_unique<Ledger>(Ledger::Level::kJournal, path)
                                      : std::make_unique<Ledger>(Ledger::Level::kJournal);
  Ledger& ledger = *owned;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);

  Undo() {
    ledger.commit({.proposer = "test",
                   .writes = {{&theta, "a", of({1, 2}), true}, {&theta, "b", of({3}), true}}});
  }
  ~Undo() override {
    std::filesystem::remove(path);
    std::filesystem::remove(journal_path(path));
  }

  void put(const Store& store, const char* name, Tensor value) {
    const bool create = !store.contains(name);
    ledger.commit({.reason = Reason::kNoise,
                   .proposer = "test",
                   .writes = {{&store, name, std::move(value), create}}});
  }
  std::uint64_t last() const { return ledger.sequence() - 1; }
  Checkpoint now() const { return checkpoint_of(ledger); }

  // The same stores, entries, places and bits; only who wrote them last may differ.
  static void expect_same_values(const Checkpoint& want, const Checkpoint& got) {
    ASSERT_EQ(want.stores.size(), got.stores.size());
    for (std::size_t s = 0; s < want.stores.size(); ++s) {
      ASSERT_EQ(want.stores[s].entries.size(), got.stores[s].entries.size());
      for (std::size_t e = 0; e < want.stores[s].entries.size(); ++e) {
        const Entry &a = want.stores[s].entries[e], &b = got.stores[s].entries[e];
        EXPECT_EQ(a.name, b.name);
        EXPECT_EQ(a.value.describe(), b.value.describe());
        const auto x = a.value.values<float>(), y = b.value.values<float>();
        EXPECT_EQ(std::memcmp(x.data(), y.data(), x.size_bytes()), 0) << a.name;
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Journal, Undo, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "InAFile" : "InMemory"; });

TEST_P(Undo, BringsBackEveryBitAndIsItselfRecorded) {
  const Checkpoint then = now();
  const std::uint64_t good = last();
  for (int i = 0; i < 20; ++i) put(theta, "a", of({0.1F * static_cast<float>(i), -7}));
  put(theta, "b", of({9}));
  const std::uint64_t records = ledger.sequence();
  ledger.commit(undo(ledger, good));
  expect_same_values(then, now());
  EXPECT_EQ(ledger.sequence(), records + 2);
  Record record;
  LedgerReader reader = ledger.read();
  while (reader.next()) record = reader.record();
  EXPECT_EQ(record.reason, "undo");
  EXPECT_EQ(record.step, good);
}

TEST_P(Undo, KeepsTheBitsOfWhatIsNotANumber) {
  put(theta, "b", of({std::bit_cast<float>(0xffc01234U)}));
  const std::uint64_t good = last();
  put(theta, "b", of({-0.0F}));
  put(theta, "b", of({std::bit_cast<float>(0x7fc00001U)}));
  ledger.commit(undo(ledger, good));
  EXPECT_EQ(std::bit_cast<std::uint32_t>(theta.at("b").values<float>()[0]), 0xffc01234U);
}

TEST_P(Undo, CanBeUndone) {
  put(theta, "a", of({5, 6}));
  put(state, "m", of({7}));
  const Checkpoint then = now();
  const std::uint64_t later = last();
  ledger.commit(undo(ledger, 2));
  EXPECT_EQ(theta.at("a").values<float>()[0], 1.0F);
  EXPECT_FALSE(state.contains("m"));
  ledger.commit(undo(ledger, later));
  expect_same_values(then, now());
  ledger.commit(undo(ledger, 2));
  EXPECT_EQ(theta.at("a").values<float>()[0], 1.0F);
}

TEST_P(Undo, RemovesWhatWasCreatedSinceWithARecordOfIt) {
  put(state, "m", of({7}));
  put(state, "v", of({8}));
  ledger.commit(undo(ledger, 2));
  EXPECT_TRUE(state.entries().empty());
  EXPECT_THROW(state.at("m"), NameError);
  std::vector<std::string> removed;
  LedgerReader reader = ledger.read();
  while (reader.next()) {
    if (reader.record().removed) removed.push_back(reader.record().where());
  }
  EXPECT_EQ(removed, (std::vector<std::string>{"state/v", "state/m"}));
  put(state, "m", of({1, 2, 3}));  // another one of that name
  EXPECT_EQ(state.entries().size(), 1U);
}

TEST_P(Undo, BringsBackARemovedEntryInItsPlaceOverAnotherOfItsName) {
  put(state, "m", of({7}));
  put(state, "v", of({8}));
  const Checkpoint then = now();
  const std::uint64_t later = last();
  ledger.commit(undo(ledger, 2));
  put(state, "v", of({1, 2, 3}));  // another shape, another place
  ledger.commit(undo(ledger, later));
  expect_same_values(then, now());
  EXPECT_EQ(state.index("v"), 1U);
}

TEST_P(Undo, ToTheBeginningLeavesEmptyStores) {
  ledger.commit(undo(ledger, 0));
  EXPECT_TRUE(theta.entries().empty());
}

TEST_P(Undo, OfNothingIsEmpty) {
  const Proposal proposal = undo(ledger, last());
  EXPECT_TRUE(proposal.writes.empty() && proposal.removals.empty());
  ledger.commit(proposal);
  EXPECT_EQ(ledger.sequence(), 3U);
}

TEST_P(Undo, IsRefusedByAFrozenStoreThatWouldChange) {
  put(theta, "a", of({5, 6}));
  ledger.freeze(theta);
  put(state, "m", of({7}));
  const std::uint64_t before_state = last() - 1;
  EXPECT_THROW(ledger.commit(undo(ledger, 2)), FrozenError);
  EXPECT_EQ(theta.at("a").values<float>()[0], 5.0F);
  EXPECT_TRUE(state.contains("m"));
  ledger.commit(undo(ledger, before_state));  // theta stays as it is
  EXPECT_FALSE(state.contains("m"));
  EXPECT_TRUE(theta.frozen());
}

TEST_P(Undo, DoesNotStopInsideACommit) {
  EXPECT_MESSAGE(undo(ledger, 1), Error,
                 "undo: record 1 is inside the commit of records 1 to 2; expected 0 or 2");
  EXPECT_MESSAGE(undo(ledger, 3), Error, "undo: there is no record 3 yet, the last is 2");
}

TEST_P(Undo, MakesTheGradientsOfUndoneValuesStale) {
  const std::uint64_t read = theta.entries()[0].written;
  put(theta, "a", of({5, 6}));
  ledger.commit(undo(ledger, 2));
  EXPECT_NE(theta.entries()[0].written, read);
}

TEST_P(Undo, ReachesBehindACheckpointInAFileOnly) {
  put(theta, "a", of({5, 6}));
  const Checkpoint taken = now();
  const Sha256Digest head = ledger.head();
  owned.reset();
  if (GetParam()) {
    Ledger resumed(taken, path);
    const Store& store = resumed.open("theta", Role::kIdentity);
    resumed.commit(undo(resumed, 2));
    EXPECT_EQ(store.at("a").values<float>()[0], 1.0F);
    return;
  }
  Ledger resumed(taken);
  EXPECT_EQ(resumed.head(), head);
  const Store& store = resumed.open("theta", Role::kIdentity);
  resumed.commit({.proposer = "t", .writes = {{&store, "a", of({8, 8})}}});
  resumed.commit(undo(resumed, 3));
  EXPECT_EQ(store.at("a").values<float>()[0], 5.0F);
  EXPECT_MESSAGE(undo(resumed, 2), Error,
                 "undo: the journal in memory begins with record 4; expected to undo to 3 or "
                 "later, got 2");
}

TEST(UndoRefuses, ALedgerThatKeepsNoJournal) {
  for (const auto level : {Ledger::Level::kOff, Ledger::Level::kSummary, Ledger::Level::kDigest}) {
    EXPECT_MESSAGE(undo(Ledger(level), 0), Error,
                   "undo: the ledger's level is " + std::string(level_name(level)) +
                       "; undoing needs the level journal");
  }
}

struct DamagedJournal : Undo {};
INSTANTIATE_TEST_SUITE_P(Journal, DamagedJournal, testing::Values(true));

TEST_P(DamagedJournal, IsNoticedAndNothingIsUndone) {
  put(theta, "a", of({5, 6}));
  const std::string journal = journal_path(path);
  std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('~');
  file.close();
  EXPECT_THROW(undo(ledger, 2), FormatError);
  std::filesystem::resize_file(journal, std::filesystem::file_size(journal) - 1);
  EXPECT_THROW(undo(ledger, 2), FormatError);
  std::filesystem::remove(journal);
  EXPECT_MESSAGE(undo(ledger, 2), FormatError,
                 "ledger: cannot read " + journal + ": No such file or directory");
  EXPECT_EQ(theta.at("a").values<float>()[0], 5.0F);
}

TEST_P(DamagedJournal, OfAnotherLedgerIsNoticed) {
  put(theta, "a", of({5, 6}));
  {
    Ledger other(Ledger::Level::kJournal, path);
    const Store& store = other.open("theta", Role::kIdentity);
    other.commit({.proposer = "t", .writes = {{&store, "z", of({1}), true}}});
  }
  EXPECT_MESSAGE(undo(ledger, 2), FormatError,
                 "undo: " + path + " is not the file this ledger wrote");
}

}  // namespace
}  // namespace palinode
