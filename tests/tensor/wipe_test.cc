#include "tensor/wipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>

#include "tensor/checkpoint.h"
#include "tensor/ledger.h"
#include "tensor/ledger_file.h"
#include "tensor/note.h"
#include "tensor/pool.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif

constexpr float kSecret = 1234.5F;

// The free blocks of this size that hold the secret: the pool gives out what came back last.
std::size_t secrets_in_free_blocks(std::size_t bytes) {
  std::size_t found = 0;
  std::vector<std::byte*> blocks;
  for (int i = 0; i < 64 && pooled_bytes() > 0; ++i) {
    blocks.push_back(take_block(bytes));
    for (std::size_t at = 0; at + sizeof(float) <= bytes; at += sizeof(float)) {
      found += std::memcmp(blocks.back() + at, &kSecret, sizeof(float)) == 0 ? 1 : 0;
    }
  }
  for (std::byte* block : blocks) give_block(block, bytes);
  return found;
}

struct WipeTest : testing::Test {
  Ledger ledger;
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const Store& other = ledger.open("other", Role::kBehavior);

  void fill(const Store& store, std::size_t elements) {
    ledger.commit({.proposer = "test",
                   .writes = {{&store, "w", Tensor::full<float>({elements}, kSecret), true}}});
  }
};

TEST_F(WipeTest, NoFreeBlockHoldsWhatWasThere) {
  if (!kPooled) GTEST_SKIP() << "nothing is kept under AddressSanitizer";
  // Beside its count in one block, and in a block of its own.
  for (const std::size_t elements : {100U, 100'000U}) {
    const std::size_t bytes = elements * sizeof(float);
    const std::size_t small = bytes + 64;  // with the count of handles
    fill(phi, elements);
    // What the making left behind is written over first.
    {
      const WipeReleased wiping;
      for (const std::size_t size : {bytes, small}) {
        std::vector<std::byte*> blocks;
        for (int i = 0; i < 64; ++i) blocks.push_back(take_block(size));
        for (std::byte* block : blocks) give_block(block, size);
      }
    }
    ASSERT_EQ(secrets_in_free_blocks(bytes) + secrets_in_free_blocks(small), 0U);
    ledger.wipe(phi);
    EXPECT_EQ(secrets_in_free_blocks(bytes) + secrets_in_free_blocks(small), 0U);
  }
}

TEST_F(WipeTest, LeavesTheStoreEmptyAndRecordsZerosForTheReasonDestroy) {
  fill(phi, 3);
  const std::uint64_t before = ledger.sequence();
  const Ledger::Wiped wiped = ledger.wipe(phi);
  EXPECT_EQ(wiped.entries, 1U);
  EXPECT_EQ(wiped.bytes, 12U);
  EXPECT_EQ(wiped.held, 0U);
  EXPECT_TRUE(phi.entries().empty());
  EXPECT_FALSE(phi.contains("w"));
  EXPECT_EQ(ledger.sequence(), before + 1);
  fill(phi, 5);  // and it can be filled again
  EXPECT_EQ(phi.elements(), 5U);
}

TEST_F(WipeTest, OfAnEmptyStoreRecordsNothing) {
  const std::uint64_t before = ledger.sequence();
  EXPECT_EQ(ledger.wipe(phi).entries, 0U);
  EXPECT_EQ(ledger.sequence(), before);
}

TEST_F(WipeTest, SaysWhenSomebodyElseHoldsAValue) {
  fill(phi, 3);
  fill(other, 3);
  EXPECT_EQ(Ledger::held(phi), nullptr);
  const Tensor handle = phi.at("w").rows(0, 1);  // a view is a handle too
  ASSERT_NE(Ledger::held(phi), nullptr);
  EXPECT_EQ(Ledger::held(phi)->name, "w");
  EXPECT_EQ(Ledger::held(other), nullptr);
  EXPECT_EQ(ledger.wipe(phi).held, 1U);
  EXPECT_EQ(handle.values<float>()[0], kSecret);
}

TEST_F(WipeTest, RefusesAFrozenStoreAndAnotherLedgers) {
  fill(phi, 3);
  ledger.freeze(phi);
  EXPECT_THROW(ledger.wipe(phi), FrozenError);
  EXPECT_EQ(phi.at("w").values<float>()[0], kSecret);
  Ledger foreign;
  EXPECT_THROW(foreign.wipe(other), NameError);
}

// -------------------------------------------------------------------------------------------------

struct NotedFile : testing::Test {
  std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("palinode_note_" + std::to_string(::getpid()));
  std::string path = folder / "ledger.jsonl", saved = folder / "saved.safetensors";
  NotedFile() { std::filesystem::create_directories(folder); }
  ~NotedFile() override { std::filesystem::remove_all(folder); }
};

TEST_F(NotedFile, NotesAndWipesStandInTheChainAndSurviveACheckpoint) {
  {
    Ledger ledger(Ledger::Level::kDigest, path);
    const Store& phi = ledger.open("phi", Role::kBehavior);
    const Store& psi = ledger.open("psi", Role::kBehavior);
    const Tensor value = Tensor::full<float>({2}, 1.0F);
    ledger.commit({.proposer = "test", .writes = {{&phi, "w", value, true}}});
    ledger.commit({.proposer = "test", .writes = {{&psi, "w", value, true}}});
    ledger.note(
        {.event = "attach", .fields = {{"unit", "a"}, {"reason", "line\n\",\"freeze\":\""}}});
    ledger.wipe(phi);
    ledger.note({.event = "destroy", .fields = {{"unit", "a"}}});
    save_checkpoint(saved, ledger);
  }
  EXPECT_TRUE(verify_ledger(path).intact);
  std::vector<Note> notes;
  for (const std::string& line : read_ledger(path)) {
    if (const auto note = parse_note(line)) notes.push_back(*note);
  }
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[0].event, "attach");
  EXPECT_EQ(notes[0].at("unit"), "a");
  EXPECT_EQ(notes[0].at("reason"), "line\n\",\"freeze\":\"");
  EXPECT_EQ(notes[1].find("reason"), "");
  EXPECT_MESSAGE(notes[1].at("reason"), FormatError, "note: destroy has no field reason");
  Ledger again(load_checkpoint(saved), path);
  EXPECT_TRUE(again.open("phi", Role::kBehavior).entries().empty());
  EXPECT_EQ(again.open("psi", Role::kBehavior).elements(), 2U);
}

TEST_F(NotedFile, ANoteMayNotPassForAnotherRecord) {
  Ledger ledger;
  EXPECT_THROW(ledger.note({.event = "a b"}), NameError);
  EXPECT_THROW(ledger.note({.event = "a", .fields = {{"x\"", "y"}}}), NameError);
  for (const char* word : {"seq", "event", "chain", "store", "freeze", "commit"}) {
    EXPECT_MESSAGE(ledger.note({.event = "a", .fields = {{word, "y"}}}), NameError,
                   "note: " + std::string(word) + " is a word of the ledger's own");
  }
  EXPECT_EQ(ledger.sequence(), 1U);
}

}  // namespace
}  // namespace palinode
