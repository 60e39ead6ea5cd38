#include "tensor/ledger_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

struct LedgerFileTest : testing::Test {
  std::string path = testing::TempDir() + "/" +
                     testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
  Sha256Digest head{};

  LedgerFileTest() {
    Ledger ledger(Ledger::Level::kDigest, path);
    const Store& store = ledger.open("theta", Role::kIdentity);
    const auto value = [](float x) { return Tensor::full<float>({3}, x); };
    ledger.commit({.proposer = "test", .writes = {{&store, "w", value(0), true}}});
    for (int i = 1; i < 6; ++i) {
      ledger.commit({.reason = Reason::kSgd,
                     .proposer = "sgd.theta",
                     .step = static_cast<std::uint64_t>(i),
                     .writes = {{&store, "w", value(static_cast<float>(i))}}});
    }
    ledger.freeze(store);
    head = ledger.head();
  }
  ~LedgerFileTest() override { std::filesystem::remove(path); }

  std::string text() const {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  void put(const std::string& content) const { std::ofstream(path, std::ios::binary) << content; }
};

TEST_F(LedgerFileTest, AnUntouchedFileIsIntactAndEndsInTheLedgersHead) {
  const LedgerVerdict verdict = verify_ledger(path);
  EXPECT_TRUE(verdict.intact) << verdict.fault;
  EXPECT_EQ(verdict.records, 8U);
  EXPECT_EQ(verdict.head, head);
}

TEST_F(LedgerFileTest, AnyChangedByteIsFound) {
  const std::string whole = text();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    put(changed);
    bool found = false;
    try {
      found = !verify_ledger(path).intact;
    } catch (const FormatError&) {
      found = true;
    }
    ASSERT_TRUE(found) << "byte " << i;
  }
}

TEST_F(LedgerFileTest, AMissingOrMovedRecordIsFound) {
  const std::vector<std::string> lines = read_ledger(path);
  for (std::size_t gone = 1; gone + 1 < lines.size(); ++gone) {
    std::string without, swapped;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (i != gone) without += lines[i] + "\n";
      const std::size_t j = i == gone ? gone + 1 : i == gone + 1 ? gone : i;
      swapped += lines[j] + "\n";
    }
    put(without);
    EXPECT_FALSE(verify_ledger(path).intact);
    put(swapped);
    EXPECT_FALSE(verify_ledger(path).intact);
  }
}

TEST_F(LedgerFileTest, ACutTailShowsInTheHead) {
  std::string whole = text();
  whole.resize(whole.rfind('\n', whole.size() - 2) + 1);
  put(whole);
  const LedgerVerdict verdict = verify_ledger(path);
  EXPECT_TRUE(verdict.intact);
  EXPECT_NE(verdict.head, head);
}

TEST_F(LedgerFileTest, ARecordCutInHalfIsFound) {
  put(text().substr(0, text().size() - 1));
  EXPECT_FALSE(verify_ledger(path).intact);
}

TEST_F(LedgerFileTest, SaysWhatChangedAndWhy) {
  const std::string second = read_ledger(path)[2];
  for (const char* part : {R"("store":"theta")", R"("name":"w")", R"("reason":"sgd")",
                           R"("step":1)", R"("elements":3)", R"("changed":3)", R"("max_abs":1)"}) {
    EXPECT_NE(second.find(part), std::string::npos) << part;
  }
}

// Every record with a link of its own, over its text: as files were once written.
std::string in_format_one(const std::vector<std::string>& lines) {
  std::string text;
  Sha256Digest head{};
  for (std::string body : lines) {
    const std::size_t chain = body.find(R"(,"chain")");
    body.resize(chain == std::string::npos ? body.size() - 1 : chain);
    const std::string format = R"("palinode_ledger":)";
    if (const std::size_t at = body.find(format); at != std::string::npos) {
      body[at + format.size()] = '1';
    }
    head = Sha256().add(head).add(body).finish();
    text += body + R"(,"chain":")" + hex(head) + "\"}\n";
  }
  return text;
}

TEST_F(LedgerFileTest, AFileWithALinkForEachRecordIsStillRead) {
  const std::string old = in_format_one(read_ledger(path));
  put(old);
  const LedgerVerdict verdict = verify_ledger(path);
  EXPECT_TRUE(verdict.intact) << verdict.fault;
  EXPECT_EQ(verdict.records, 8U);
  put(old.substr(0, old.find("sgd")) + "SGD" + old.substr(old.find("sgd") + 3));
  EXPECT_EQ(verify_ledger(path).fault, "line 3: the chain does not match the record");
}

TEST_F(LedgerFileTest, AFormatThatIsNotKnownIsRefused) {
  std::string other = text();
  other.replace(other.find(R"(ledger":2)"), 9, R"(ledger":7)");
  put(other);
  EXPECT_MESSAGE(verify_ledger(path), FormatError,
                 "ledger: " + path + " is of format 7; formats 1 and 2 can be read");
}

TEST_F(LedgerFileTest, AForeignFileIsRefused) {
  put("hello\n");
  EXPECT_THROW(verify_ledger(path), FormatError);
  EXPECT_THROW(verify_ledger(path + ".missing"), FormatError);
}

}  // namespace
}  // namespace palinode
