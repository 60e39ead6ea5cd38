// A thousand records: whatever is done to one of them is found.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tensor/ledger_file.h"

namespace palinode {
namespace {

constexpr std::size_t kRecords = 1000;

struct Written {
  Ledger::Level level;
  std::size_t commit;  // records of each
};

struct Tamper : testing::TestWithParam<Written> {
  std::string path =
      testing::TempDir() + "palinode_tamper_" + std::to_string(::getpid()) + ".jsonl";
  std::vector<std::string> lines;  // with their ends
  Sha256Digest head{};

  Tamper() {
    {
      Ledger ledger(GetParam().level, path);
      const Store& store = ledger.open("theta", Role::kIdentity);
      const std::size_t size = GetParam().commit;
      for (std::size_t i = 1; i < kRecords; i += size) {
        Proposal proposal{.reason = Reason::kSgd, .proposer = "sgd.theta", .step = i};
        for (std::size_t k = 0; k < size; ++k) {
          const Tensor value = Tensor::full<float>({5}, static_cast<float>(i + k));
          proposal.writes.push_back({&store, "w" + std::to_string(k), value, i == 1});
        }
        ledger.commit(proposal);
      }
      head = ledger.head();
    }
    std::ifstream file(path, std::ios::binary);
    for (std::string line; std::getline(file, line);) lines.push_back(line + "\n");
  }
  ~Tamper() override {
    std::filesystem::remove(path);
    std::filesystem::remove(journal_path(path));
  }

  // Whether the file of these lines is the ledger whose head is known.
  bool passes(const std::vector<std::string_view>& changed) const {
    {
      std::ofstream file(path, std::ios::binary);
      for (const std::string_view line : changed) file << line;
    }
    try {
      const LedgerVerdict verdict = verify_ledger(path);
      return verdict.intact && verdict.head == head;
    } catch (const FormatError&) {
      return false;
    }
  }
  std::vector<std::string_view> all() const { return {lines.begin(), lines.end()}; }
};

TEST_P(Tamper, AnUntouchedLedgerPasses) {
  ASSERT_EQ(lines.size(), kRecords);
  EXPECT_TRUE(passes(all()));
}

TEST_P(Tamper, EveryFlippedRecordIsFound) {
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i < kRecords; ++i) {
    std::string flipped = lines[i];
    char& byte = flipped[random() % flipped.size()];
    byte = static_cast<char>(byte ^ (1 << random() % 8));
    std::vector<std::string_view> changed = all();
    changed[i] = flipped;
    ASSERT_FALSE(passes(changed)) << "record " << i << ": " << flipped;
  }
}

TEST_P(Tamper, EveryDeletedRecordIsFound) {
  for (std::size_t i = 0; i < kRecords; ++i) {
    std::vector<std::string_view> changed = all();
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
    ASSERT_FALSE(passes(changed)) << "record " << i;
  }
}

// By turns with its neighbour and with any other.
TEST_P(Tamper, EverySwappedRecordIsFound) {
  std::mt19937_64 random(2);
  for (std::size_t i = 0; i < kRecords; ++i) {
    const std::size_t distance = i % 2 == 0 ? 1 : 1 + random() % (kRecords - 1);
    const std::size_t j = (i + distance) % kRecords;
    std::vector<std::string_view> changed = all();
    std::swap(changed[i], changed[j]);
    ASSERT_FALSE(passes(changed)) << "records " << i << " and " << j;
  }
}

// By turns right after itself and anywhere.
TEST_P(Tamper, EveryDuplicatedRecordIsFound) {
  std::mt19937_64 random(3);
  for (std::size_t i = 0; i < kRecords; ++i) {
    const std::size_t place = i % 2 == 0 ? i + 1 : random() % (kRecords + 1);
    std::vector<std::string_view> changed = all();
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(place), lines[i]);
    ASSERT_FALSE(passes(changed)) << "record " << i << " again as " << place;
  }
}

TEST_P(Tamper, EveryCutTailIsFoundByTheHead) {
  std::vector<std::string_view> cut = all();
  while (cut.size() > 9) {
    cut.resize(cut.size() - 9);
    ASSERT_FALSE(passes(cut)) << cut.size() << " records";
  }
}

std::string name_of(const testing::TestParamInfo<Written>& info) {
  return std::string(level_name(info.param.level)) + "_commits_of_" +
         std::to_string(info.param.commit);
}

INSTANTIATE_TEST_SUITE_P(Levels, Tamper,
                         testing::Values(Written{Ledger::Level::kSummary, 3},
                                         Written{Ledger::Level::kDigest, 1},
                                         Written{Ledger::Level::kDigest, 3},
                                         Written{Ledger::Level::kJournal, 1},
                                         Written{Ledger::Level::kJournal, 3}),
                         name_of);

// Whoever can compute the chain anew is left with what records say of each other.
TEST_P(Tamper, ARecordThatDoesNotFollowFromItsEntrysLastOneIsFound) {
  if (GetParam().level != Ledger::Level::kDigest) return;
  const std::size_t commit = GetParam().commit;
  for (const char* field : {R"("old":")", R"("elements":)"}) {
    std::string forged = lines[kRecords / 2 + 1];
    char& letter = forged[forged.find(field) + std::string_view(field).size()];
    letter = letter == '1' ? '2' : '1';
    std::vector<std::string_view> changed = all();
    changed[kRecords / 2 + 1] = forged;
    ASSERT_FALSE(passes(changed));
    EXPECT_EQ(verify_ledger(path).fault,
              "line 502: the record does not follow from the last one of its entry")
        << field << " in commits of " << commit;
  }
}

struct TamperJournal : Tamper {
  std::string journal = journal_path(path);
  std::string payloads;

  TamperJournal() {
    std::ifstream file(journal, std::ios::binary);
    payloads.assign(std::istreambuf_iterator<char>(file), {});
  }
  bool passes(const std::string& changed) const {
    std::ofstream(journal, std::ios::binary) << changed;
    return verify_ledger(path).intact;
  }
};
INSTANTIATE_TEST_SUITE_P(Levels, TamperJournal,
                         testing::Values(Written{Ledger::Level::kJournal, 1}), name_of);

TEST_P(TamperJournal, EveryFlippedByteOfAPayloadIsFound) {
  EXPECT_TRUE(passes(payloads));
  for (std::size_t i = 0; i < payloads.size(); i += 41) {
    std::string changed = payloads;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    ASSERT_FALSE(passes(changed)) << "byte " << i;
  }
}

TEST_P(TamperJournal, MissingAndSurplusPayloadsAreFound) {
  EXPECT_FALSE(passes(payloads.substr(0, payloads.size() - 1)));
  EXPECT_FALSE(passes(payloads.substr(1)));
  EXPECT_FALSE(passes(payloads + "~"));
  EXPECT_FALSE(passes(""));
}

}  // namespace
}  // namespace palinode
