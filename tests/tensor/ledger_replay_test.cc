// A journal tells the whole history: replay, the history of an element, the report of operations.
#include "tensor/ledger_replay.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/ledger_history.h"
#include "tensor/ledger_report.h"
#include "tensor/undo.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

Tensor row(std::initializer_list<float> values) {
  return Tensor::from<float>(std::vector<float>(values), {values.size()});
}

// theta/w [2, 3] and phi/b, written by three proposers, with a freeze and an undo.
struct LedgerHistoryTest : testing::Test {
  std::string path = testing::TempDir() + "palinode_history_" + std::to_string(::getpid()) + "_" +
                     testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
  std::map<std::uint64_t, Checkpoint> states;  // by the last record, after every commit
  Sha256Digest head{};

  LedgerHistoryTest() { write(Ledger::Level::kJournal); }
  ~LedgerHistoryTest() override {
    std::filesystem::remove(path);
    std::filesystem::remove(journal_path(path));
  }

  void write(Ledger::Level level) {
    states.clear();
    Ledger ledger(level, path);
    const auto note = [&] { states[ledger.sequence() - 1] = checkpoint_of(ledger); };
    note();
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const Store& phi = ledger.open("phi", Role::kBehavior);
    const Tensor w = row({1, 2, 3, 4, 5, 6}).reshape({2, 3});
    ledger.commit({.proposer = "model",
                   .writes = {{&theta, "w", w, true}, {&theta, "c", row({0}), true}}});  // 1, 2
    note();
    ledger.commit({.reason = Reason::kNoise,
                   .proposer = "noise",
                   .seed = 7,
                   .writes = {{&theta, "w", row({1, 2, 3, 4, 5, 8}).reshape({2, 3})}}});  // 3
    note();
    ledger.freeze(theta);  // 4
    note();
    for (std::uint64_t step = 1; step <= 3; ++step) {  // 5, 6, 7
      ledger.commit({.reason = Reason::kAdam,
                     .proposer = "adam.phi",
                     .step = step,
                     .writes = {{&phi, "b", row({static_cast<float>(step), 9}), step == 1}}});
      note();
    }
    if (level == Ledger::Level::kJournal) ledger.commit(undo(ledger, 5));  // 8
    note();
    head = ledger.head();
  }
};

TEST_F(LedgerHistoryTest, ReplayRebuildsEveryStateBitForBit) {
  ASSERT_EQ(states.size(), 8U);
  for (const auto& [last, state] : states) {
    const Checkpoint replayed = replay_ledger(path, last);
    EXPECT_EQ(first_difference(replayed, state), "") << last;
    EXPECT_EQ(replayed.head, state.head);
  }
  EXPECT_EQ(replay_ledger(path).head, head);
}

TEST_F(LedgerHistoryTest, AReplayedStateGoesOnLikeACheckpoint) {
  const Checkpoint replayed = replay_ledger(path, 6);
  Ledger ledger(replayed, path);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  EXPECT_TRUE(ledger.open("theta", Role::kIdentity).frozen());
  ledger.commit({.reason = Reason::kAdam,
                 .proposer = "adam.phi",
                 .step = 3,
                 .writes = {{&phi, "b", row({3, 9})}}});
  EXPECT_EQ(ledger.head(), states.at(7).head);
}

TEST_F(LedgerHistoryTest, ReplayStopsAtRecordsThereAreAndBetweenCommits) {
  EXPECT_MESSAGE(replay_ledger(path, 1), Error,
                 path + ": record 1 is inside the commit of records 1 to 2; expected 0 or 2");
  EXPECT_MESSAGE(replay_ledger(path, 9), Error,
                 path + ": expected the number of a record, up to 8, got 9");
  write(Ledger::Level::kDigest);
  EXPECT_MESSAGE(replay_ledger(path), Error,
                 path + ": its level is digest; replaying needs the level journal");
}

TEST_F(LedgerHistoryTest, ADifferenceOfStatesIsNamed) {
  const Checkpoint state = replay_ledger(path);
  Checkpoint other = state;
  other.stores[1].entries[0].value = row({1, 8});
  EXPECT_EQ(first_difference(state, other), "bits of phi/b");
  other = state;
  other.stores[0].entries.pop_back();
  EXPECT_EQ(first_difference(other, state), "entry 1 of theta");
  other = state;
  other.head[0] ^= 1;
  EXPECT_EQ(first_difference(state, other), "the head of the chain");
  other = state;
  other.stores.pop_back();
  EXPECT_EQ(first_difference(other, state), "the store phi");
}

TEST_F(LedgerHistoryTest, AnElementKnowsEveryWriteToIt) {
  for (const char* name : {"w[5]", "theta/w[5]", "w[1,2]"}) {
    const History history = history_of(path, parse_element(name));
    EXPECT_TRUE(history.journaled);
    ASSERT_EQ(history.writes.size(), 2U) << name;
    EXPECT_TRUE(history.writes[0].record.created());
    EXPECT_EQ(decimal(Dtype::kF32, history.writes[0].after), "6");
    const ElementWrite& noise = history.writes[1];
    EXPECT_EQ(noise.record.seq, 3U);
    EXPECT_EQ(noise.record.reason, "noise");
    EXPECT_EQ(noise.record.seed, 7U);
    EXPECT_EQ(decimal(Dtype::kF32, noise.before), "6");
    EXPECT_EQ(decimal(Dtype::kF32, noise.after), "8");
    EXPECT_EQ(hexadecimal(Dtype::kF32, noise.after), "0x41000000");
  }
  const History b = history_of(path, parse_element("b[0]"));
  ASSERT_EQ(b.writes.size(), 4U);
  EXPECT_EQ(b.writes[3].record.reason, "undo");
  EXPECT_EQ(decimal(Dtype::kF32, b.writes[3].before), "3");
  EXPECT_EQ(decimal(Dtype::kF32, b.writes[3].after), "1");
}

TEST_F(LedgerHistoryTest, ALedgerWithoutAJournalKnowsTheWritesToTheTensor) {
  write(Ledger::Level::kDigest);
  const History history = history_of(path, parse_element("w[5]"));
  EXPECT_FALSE(history.journaled);
  ASSERT_EQ(history.writes.size(), 2U);
  EXPECT_EQ(history.writes[1].record.changed, 1U);
}

TEST_F(LedgerHistoryTest, RefusesElementsThereAreNot) {
  EXPECT_MESSAGE(history_of(path, parse_element("v")), Error,
                 path + ": nothing named v was ever written");
  EXPECT_MESSAGE(history_of(path, parse_element("w[6]")), Error,
                 "w[6]: there is no such element, its shape is [2, 3]");
  EXPECT_MESSAGE(history_of(path, parse_element("w[0,3]")), Error,
                 "w[0,3]: there is no such element, its shape is [2, 3]");
  for (const char* text : {"", "[1]", "w[", "w[]", "w[1", "w[1,", "w[1]]", "w[-1]", "w[a]"}) {
    EXPECT_THROW(parse_element(text), Error) << text;
  }
}

TEST(Decimal, ReadsBackAsTheSameBits) {
  EXPECT_EQ(decimal(Dtype::kF32, 0x3dcccccd), "0.1");
  EXPECT_EQ(decimal(Dtype::kF64, 0x3fb999999999999a), "0.1");
  EXPECT_EQ(decimal(Dtype::kI32, 0xffffffff), "-1");
  EXPECT_EQ(decimal(Dtype::kBf16, 0x3f80), "1");
  EXPECT_EQ(decimal(Dtype::kF16, 0xc000), "-2");
  EXPECT_EQ(hexadecimal(Dtype::kBf16, 0x80), "0x0080");
}

TEST_F(LedgerHistoryTest, AReportSaysWhatEachOperationChangedAndWhatNot) {
  const std::vector<Operation> report = report_ledger(path);
  ASSERT_EQ(report.size(), 5U);
  EXPECT_EQ(report[0].reason, "init");
  ASSERT_EQ(report[0].changes.size(), 2U);
  EXPECT_TRUE(report[0].changes[0].created);
  EXPECT_TRUE(report[0].unchanged.empty());
  EXPECT_EQ(report[1].reason, "noise");
  ASSERT_EQ(report[1].changes.size(), 1U);
  EXPECT_EQ(report[1].changes[0].changed, 1U);
  EXPECT_EQ(report[1].changes[0].elements, 6U);
  EXPECT_EQ(report[1].changes[0].max_abs, 2);
  EXPECT_EQ(report[1].changes[0].l2, 2);
  EXPECT_EQ(report[1].unchanged, std::vector<std::string>{"theta/c"});
  EXPECT_EQ(report[2].reason, "freeze");
  EXPECT_EQ(report[2].proposer, "theta");
  EXPECT_EQ(report[3].reason, "adam");
  EXPECT_EQ(report[3].first_step, 1U);
  EXPECT_EQ(report[3].last_step, 3U);
  EXPECT_EQ(report[3].changes[0].writes, 3U);
  EXPECT_EQ(report[3].changes[0].changed, 4U);
  EXPECT_EQ(report[3].changes[0].net.value().elements_changed, 2U);
  EXPECT_EQ(report[3].changes[0].net.value().max_abs, 9);
  EXPECT_EQ(report[3].unchanged, (std::vector<std::string>{"theta/w", "theta/c"}));
  EXPECT_EQ(report[4].reason, "undo");
  EXPECT_EQ(report_ledger(path, Grouping::kCommits).size(), 7U);
}

TEST_F(LedgerHistoryTest, AReportNeedsNoJournal) {
  const std::size_t operations = report_ledger(path).size();
  write(Ledger::Level::kDigest);
  const std::vector<Operation> report = report_ledger(path);
  ASSERT_EQ(report.size(), operations - 1);  // there is no undo
  EXPECT_EQ(report[3].changes[0].changed, 4U);
  EXPECT_FALSE(report[3].changes[0].net);
  EXPECT_EQ(report_ledger(path, Grouping::kCommits).size(), 6U);
}

}  // namespace
}  // namespace palinode
