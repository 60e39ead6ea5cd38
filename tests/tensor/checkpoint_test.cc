#include "tensor/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger_file.h"
#include "tensor/safetensors.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

Tensor triple(float x) { return Tensor::full<float>({3}, x); }

// A ledger with a frozen store, one that is being trained, and an optimizer's; checkpoint and file.
struct CheckpointTest : testing::Test {
  std::string folder =
      testing::TempDir() + "palinode_checkpoint_" + std::to_string(::getpid()) + "/";
  std::string path = folder + "ledger.jsonl", file = folder + "c.safetensors";
  Checkpoint taken;

  CheckpointTest() {
    std::filesystem::create_directory(folder);
    Ledger ledger(Ledger::Level::kDigest, path);
    const Store& theta = ledger.open("theta", Role::kIdentity);
    const Store& phi = ledger.open("phi/a", Role::kBehavior);
    const Store& state = ledger.open("state", Role::kOptimizer);
    ledger.commit({.proposer = "t",
                   .writes = {{&theta, "z", triple(1), true}, {&theta, "a", triple(2), true}}});
    ledger.freeze(theta);
    ledger.commit({.proposer = "t",
                   .writes = {{&phi, "w", triple(3), true},
                              {&state, "step", Tensor::full<std::int32_t>({}, 1), true}}});
    ledger.commit({.proposer = "t", .writes = {{&phi, "w", triple(4)}}});
    taken = checkpoint_of(ledger, {{"seed", "7"}, {"step", "1"}});
    save_checkpoint(file, taken);
    ledger.commit({.proposer = "t", .writes = {{&phi, "w", triple(5)}}});
  }
  ~CheckpointTest() override { std::filesystem::remove_all(folder); }

  std::string text() const {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
  void put(const std::string& content) const { std::ofstream(path, std::ios::binary) << content; }
  // The ledger's records of the checkpoint, and not those after it.
  std::string prefix() const {
    std::string whole = text();
    whole.resize(whole.rfind('\n', whole.size() - 2) + 1);
    return whole;
  }
};

TEST_F(CheckpointTest, ComesBackFromItsFileAsItWas) {
  const Checkpoint got = load_checkpoint(file);
  EXPECT_EQ(got.level, taken.level);
  EXPECT_EQ(got.sequence, taken.sequence);
  EXPECT_EQ(got.head, taken.head);
  EXPECT_EQ(got.notes, taken.notes);
  ASSERT_EQ(got.stores.size(), 3U);
  for (std::size_t s = 0; s < 3; ++s) {
    EXPECT_EQ(got.stores[s].name, taken.stores[s].name);
    EXPECT_EQ(got.stores[s].role, taken.stores[s].role);
    EXPECT_EQ(got.stores[s].frozen_since, taken.stores[s].frozen_since);
    ASSERT_EQ(got.stores[s].entries.size(), taken.stores[s].entries.size());
    for (std::size_t i = 0; i < got.stores[s].entries.size(); ++i) {
      const Entry &a = got.stores[s].entries[i], &b = taken.stores[s].entries[i];
      EXPECT_EQ(a.name, b.name);
      EXPECT_EQ(a.written, b.written);
      EXPECT_EQ(a.digest, b.digest);
      EXPECT_EQ(leaf_digest(a.name, a.value), leaf_digest(b.name, b.value));
    }
  }
}

TEST_F(CheckpointTest, AStoreIsLoadedThroughTheDoor) {
  Ledger ledger;
  const Store& copy = ledger.open("copy", Role::kIdentity);
  ledger.commit(load_store(load_checkpoint(file), "theta", copy));
  EXPECT_EQ(copy.at("a").values<float>()[0], 2.0F);
  EXPECT_EQ(copy.entries()[0].name, "z");
  EXPECT_MESSAGE(load_store(taken, "psi", copy), NameError, "checkpoint: no store named psi");
}

TEST_F(CheckpointTest, AResumedLedgerGivesItsStoresToTheFirstWhoOpensThem) {
  const std::string before = prefix();
  Ledger ledger(load_checkpoint(file), path);
  EXPECT_EQ(text(), before);
  EXPECT_EQ(ledger.sequence(), taken.sequence);
  EXPECT_EQ(ledger.head(), taken.head);
  EXPECT_MESSAGE(ledger.open("phi/a", Role::kIdentity), NameError,
                 "open: phi/a was kept with the role behavior, not identity");
  const Store& phi = ledger.open("phi/a", Role::kBehavior);
  EXPECT_EQ(phi.at("w").values<float>()[0], 4.0F);
  EXPECT_EQ(phi.entries()[0].written, 6U);
  EXPECT_MESSAGE(ledger.open("phi/a", Role::kBehavior), NameError,
                 "open: there is a store named phi/a already");
  ledger.commit({.proposer = "t", .writes = {{&phi, "w", triple(6)}}});
  EXPECT_TRUE(verify_ledger(path).intact);
}

TEST_F(CheckpointTest, AFrozenStoreIsFrozenAndItsPagesReadOnlyOnceMore) {
  Ledger ledger(load_checkpoint(file), path);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  EXPECT_EQ(theta.frozen_since(), 3U);
  EXPECT_THROW(ledger.commit({.proposer = "t", .writes = {{&theta, "a", triple(6)}}}), FrozenError);
  testing::FLAGS_gtest_death_test_style = "fast";
  const auto place = reinterpret_cast<std::uintptr_t>(theta.at("a").values<float>().data());
  EXPECT_EXIT(*reinterpret_cast<volatile std::byte*>(place) = std::byte{1},
              testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(CheckpointTest, EveryByteLostAfterTheCheckpointIsForgiven) {
  const std::string whole = text();
  const std::size_t begin = prefix().size();
  for (std::size_t size = begin; size <= whole.size(); ++size) {
    put(whole.substr(0, size));
    Ledger ledger(taken, path);
    const Store& phi = ledger.open("phi/a", Role::kBehavior);
    ledger.commit({.proposer = "t", .writes = {{&phi, "w", triple(5)}}});
    ASSERT_EQ(text(), whole) << size;
  }
}

TEST_F(CheckpointTest, EveryByteLostBeforeItIsAnErrorThatLeavesTheFileAlone) {
  const std::string whole = prefix();
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    put(whole.substr(0, size));
    ASSERT_THROW(Ledger(taken, path), FormatError) << size;
    ASSERT_EQ(text().size(), size);
  }
  put(whole.substr(0, whole.size() - 1));
  EXPECT_MESSAGE(Ledger(taken, path), FormatError, "resume: " + path + " line 7: not a record");
  put(whole.substr(0, whole.rfind('\n', whole.size() - 2) + 1));
  EXPECT_MESSAGE(Ledger(taken, path), FormatError,
                 "resume: " + path +
                     " line 7: the file ends before record 6, with which the checkpoint was taken");
}

TEST_F(CheckpointTest, EveryChangedByteOfTheRecordsIsFound) {
  const std::string whole = prefix();
  for (std::size_t i = 0; i < whole.size(); i += 7) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    put(changed);
    ASSERT_THROW(Ledger(taken, path), FormatError) << i;
  }
}

TEST_F(CheckpointTest, AnotherRunsLedgerIsRefused) {
  {
    Ledger other(Ledger::Level::kDigest, path);
    const Store& theta = other.open("theta", Role::kIdentity);
    other.commit({.proposer = "t", .writes = {{&theta, "z", triple(9), true}}});
    for (int i = 0; i < 9; ++i) {
      other.commit({.proposer = "t", .writes = {{&theta, "z", triple(9)}}});
    }
  }
  EXPECT_MESSAGE(
      Ledger(taken, path), FormatError,
      "resume: " + path + " line 7: its chain is not the one the checkpoint was taken with");
  { Ledger summary(Ledger::Level::kSummary, path); }
  EXPECT_MESSAGE(Ledger(taken, path), FormatError,
                 "resume: " + path + " line 1: its level is summary, the checkpoint's digest");
  put(R"({"seq":0,"palinode_ledger":1,"level":"digest","chain":""})");
  EXPECT_MESSAGE(Ledger(taken, path), FormatError,
                 "resume: " + path + " line 1: its format is 1, and new records are of format 2");
}

TEST_F(CheckpointTest, AValueTheLedgerDoesNotKnowIsRefused) {
  Checkpoint forged = taken;
  forged.stores[1].entries[0].value = triple(7);
  EXPECT_MESSAGE(
      Ledger(forged, path), FormatError,
      "resume: " + path + " line 7: the last write to phi/a/w is not the one the checkpoint holds");
  forged = taken;  // an earlier value of the same parameter, with its own record
  forged.stores[1].entries[0].value = triple(3);
  forged.stores[1].entries[0].written = 4;
  EXPECT_THROW(Ledger(forged, path), FormatError);
  forged = taken;
  forged.stores[2].entries.clear();
  EXPECT_THROW(Ledger(forged, path), FormatError);
  forged = taken;
  forged.stores[0].frozen_since.reset();
  EXPECT_THROW(Ledger(forged, path), FormatError);
  forged = taken;
  forged.stores[2].frozen_since = 3;
  EXPECT_THROW(Ledger(forged, path), FormatError);
}

TEST_F(CheckpointTest, EveryChangedByteOfItsFileIsFoundOrHarmless) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  const std::string whole = all.str();
  for (std::size_t i = 0; i < whole.size(); i += 5) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    std::ofstream(file, std::ios::binary) << changed;
    try {
      const Checkpoint got = load_checkpoint(file);
      const Ledger ledger(got, path);
      EXPECT_EQ(ledger.head(), taken.head);  // a note, a role, or the order of the header
    } catch (const Error&) {
    }
  }
}

TEST_F(CheckpointTest, SaysWhatIsWrongWithAFile) {
  SafetensorsFile content = read_safetensors(file);
  const auto save = [&](const SafetensorsFile& changed) {
    write_safetensors(file, changed);
    return file;
  };
  auto changed = content;
  changed.metadata.erase("palinode_checkpoint");
  EXPECT_MESSAGE(load_checkpoint(save(changed)), FormatError,
                 "checkpoint: " + file + ": its metadata lack \"palinode_checkpoint\"");
  changed = content;
  changed.metadata["ledger"] = "digest 7";
  EXPECT_MESSAGE(load_checkpoint(save(changed)), FormatError,
                 "checkpoint: " + file + ": \"ledger\" is not LEVEL SEQUENCE HEAD");
  changed = content;
  changed.metadata["stores"] += "\nw 3";
  EXPECT_MESSAGE(load_checkpoint(save(changed)), FormatError,
                 "checkpoint: " + file + ": \"w 3\" is neither a store nor an entry");
  changed = content;
  changed.tensors.push_back({"theta:extra", triple(1)});
  EXPECT_MESSAGE(load_checkpoint(save(changed)), FormatError,
                 "checkpoint: " + file + ": theta:extra is of no store");
  changed = content;
  changed.tensors.pop_back();
  EXPECT_THROW(load_checkpoint(save(changed)), FormatError);
  changed = content;
  for (Named& each : changed.tensors) {
    if (each.name == "phi/a:w") each.value = triple(7);
  }
  EXPECT_MESSAGE(load_checkpoint(save(changed)), FormatError,
                 "checkpoint: " + file + ": phi/a/w has not the bits of its digest");
}

}  // namespace
}  // namespace palinode
