#include "tensor/ledger.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/error.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

Tensor pair_of(float a, float b) { return Tensor::from<float>(std::vector<float>{a, b}, {2}); }

// A ledger with one store `theta` that holds `w` = (1, 2).
struct LedgerTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);

  LedgerTest() {
    ledger.commit({.proposer = "test", .writes = {{&theta, "w", pair_of(1, 2), true}}});
  }

  Proposal write(Tensor value, std::string name = "w") const {
    return {.reason = Reason::kAdam,
            .proposer = "adam.theta",
            .step = 201,
            .finite_only = true,
            .writes = {{&theta, std::move(name), std::move(value)}}};
  }
};

TEST_F(LedgerTest, CommitReplacesTheValue) {
  ledger.commit(write(pair_of(3, 4)));
  EXPECT_EQ(theta.at("w").values<float>()[1], 4.0F);
}

TEST_F(LedgerTest, AHandleTakenBeforeACommitKeepsItsValues) {
  const Tensor before = theta.at("w");
  ledger.commit(write(pair_of(3, 4)));
  EXPECT_EQ(before.values<float>()[0], 1.0F);
}

TEST_F(LedgerTest, ASpanKeptFromABuilderCannotReachWhatWasCommitted) {
  TensorBuilder builder({2}, Dtype::kF32);
  const std::span<float> kept = builder.values<float>();
  kept[0] = kept[1] = 5;
  const Tensor built = std::move(builder).build();
  ledger.commit(write(built));
  kept[0] = 77;
  EXPECT_EQ(built.values<float>()[0], 77.0F);  // the span does reach its own tensor
  EXPECT_EQ(theta.at("w").values<float>()[0], 5.0F);
}

TEST_F(LedgerTest, ACommitThatCannotBeRecordedIsNotApplied) {
  const std::string path = testing::TempDir() + "/palinode-full.jsonl";
  Ledger full(Ledger::Level::kDigest, path);
  const Store& store = full.open("s", Role::kIdentity);
  full.commit({.proposer = "t", .writes = {{&store, "w", pair_of(1, 2), true}}});
  const Sha256Digest head = full.head();
  {
    const FileSizeLimit limit(std::filesystem::file_size(path) + 10);
    EXPECT_MESSAGE(full.commit({.proposer = "t", .writes = {{&store, "w", pair_of(3, 4)}}}),
                   EnvironmentError, "ledger: cannot write " + path);
  }
  EXPECT_EQ(store.at("w").values<float>()[0], 1.0F);
  EXPECT_EQ(full.head(), head);
  EXPECT_MESSAGE(Ledger(Ledger::Level::kDigest, "/dev/full"), EnvironmentError,
                 "ledger: cannot write /dev/full");
  std::filesystem::remove(path);
}

TEST_F(LedgerTest, ARecordIsInTheFileWhenCommitReturns) {
  const std::string path = testing::TempDir() + "/palinode-now.jsonl";
  Ledger now(Ledger::Level::kDigest, path);
  const auto size = std::filesystem::file_size(path);
  const Store& store = now.open("s", Role::kIdentity);
  now.commit({.proposer = "t", .writes = {{&store, "w", pair_of(1, 2), true}}});
  EXPECT_GT(std::filesystem::file_size(path), size + 100);
  std::filesystem::remove(path);
}

TEST_F(LedgerTest, StoresCanOnlyBeReadFromOutside) {
  static_assert(std::is_same_v<decltype(ledger.open("x", Role::kBuffer)), const Store&>);
  static_assert(std::is_same_v<decltype(theta.entries()), std::span<const Entry>>);
  static_assert(std::is_same_v<decltype(theta.at("w")), const Tensor&>);
  static_assert(!std::is_copy_constructible_v<Ledger>);
}

TEST_F(LedgerTest, AppliesAllWritesOrNone) {
  Proposal proposal = write(pair_of(3, 4));
  proposal.writes.push_back({&theta, "missing", pair_of(5, 6)});
  const Sha256Digest head = ledger.head();
  EXPECT_THROW(ledger.commit(proposal), NameError);
  EXPECT_EQ(theta.at("w").values<float>()[0], 1.0F);
  EXPECT_EQ(ledger.head(), head);
  EXPECT_FALSE(theta.contains("missing"));
}

TEST_F(LedgerTest, RefusesAnotherShapeNamingAll) {
  EXPECT_MESSAGE(
      ledger.commit(write(Tensor::zeros({3}, Dtype::kF32))), ShapeError,
      "commit: theta/w is f32 [2], the new value is f32 [3]; proposed by adam.theta, step 201");
}

TEST_F(LedgerTest, RefusesAnotherType) {
  EXPECT_THROW(ledger.commit(write(Tensor::zeros({2}, Dtype::kF64))), DtypeError);
}

TEST_F(LedgerTest, RefusesToCreateWhatExistsAndToWriteTwice) {
  Proposal twice = write(pair_of(3, 4));
  twice.writes.push_back(twice.writes.front());
  EXPECT_MESSAGE(ledger.commit(twice), NameError,
                 "commit: theta/w is written twice; proposed by adam.theta, step 201");
  Proposal again = write(pair_of(3, 4));
  again.writes[0].create = true;
  EXPECT_THROW(ledger.commit(again), NameError);
}

TEST_F(LedgerTest, RefusesWhatIsNotFiniteWhenAsked) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_MESSAGE(
      ledger.commit(write(pair_of(3, inf))), NonFiniteError,
      "commit: theta/w would hold a NaN or an infinity; proposed by adam.theta, step 201");
  Proposal unasked = write(pair_of(3, inf));
  unasked.finite_only = false;
  EXPECT_NO_THROW(ledger.commit(unasked));
}

TEST_F(LedgerTest, RefusesAStoreOfAnotherLedger) {
  Ledger other;
  EXPECT_THROW(other.commit(write(pair_of(3, 4))), NameError);
}

TEST_F(LedgerTest, RefusesNamesThatWouldNeedAnEscape) {
  EXPECT_THROW(ledger.open("a b", Role::kBuffer), NameError);
  EXPECT_THROW(ledger.open("", Role::kBuffer), NameError);
  EXPECT_THROW(ledger.open("theta", Role::kBuffer), NameError);
  Proposal quoted = write(pair_of(3, 4), "a\"b");
  quoted.writes[0].create = true;
  EXPECT_THROW(ledger.commit(quoted), NameError);
}

TEST_F(LedgerTest, AFrozenStoreRefusesEveryWriteAndSaysWhy) {
  ledger.freeze(theta);
  EXPECT_MESSAGE(
      ledger.commit(write(pair_of(3, 4))), FrozenError,
      "commit: theta/w f32 [2] is frozen since write 2; proposed by adam.theta, step 201");
  Proposal creation = write(pair_of(3, 4), "v");
  creation.writes[0].create = true;
  EXPECT_THROW(ledger.commit(creation), FrozenError);
  EXPECT_EQ(theta.at("w").values<float>()[0], 1.0F);
}

TEST_F(LedgerTest, FreezingKeepsEveryBitAndGivesTheFingerprint) {
  const Sha256Digest before = fingerprint(theta);
  EXPECT_EQ(ledger.freeze(theta), before);
  EXPECT_EQ(fingerprint(theta), before);
  EXPECT_EQ(ledger.freeze(theta), before);
}

// Writes through the address alone, as a bug elsewhere in the process would.
void stray_write(const Tensor& tensor) {
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.values<float>().data());
  *reinterpret_cast<volatile std::byte*>(address + 3) = std::byte{0};
}

TEST_F(LedgerTest, AStrayWriteToAFrozenPageFaults) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  ledger.freeze(theta);
  EXPECT_EXIT(stray_write(theta.at("w")), testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EQ(theta.at("w").values<float>()[0], 1.0F);
}

TEST_F(LedgerTest, AStrayWriteElsewhereDoesNotFaultSoTheTestAboveCanFail) {
  stray_write(theta.at("w"));
  EXPECT_NE(theta.at("w").values<float>()[0], 1.0F);
}

TEST_F(LedgerTest, FrozenValuesOutliveTheirLedger) {
  Tensor kept;
  {
    Ledger brief;
    const Store& store = brief.open("s", Role::kIdentity);
    brief.commit({.proposer = "test", .writes = {{&store, "w", pair_of(7, 8), true}}});
    brief.freeze(store);
    kept = store.at("w");
  }
  EXPECT_EQ(kept.values<float>()[1], 8.0F);
}

TEST_F(LedgerTest, TheHeadDependsOnEveryWriteAndOnTheirOrder) {
  Ledger a, b;
  for (Ledger* each : {&a, &b}) {
    const Store& store = each->open("s", Role::kIdentity);
    each->commit({.proposer = "t", .writes = {{&store, "w", pair_of(1, 2), true}}});
    const float first = each == &a ? 3.0F : 4.0F, second = each == &a ? 4.0F : 3.0F;
    each->commit({.proposer = "t", .writes = {{&store, "w", pair_of(first, 0)}}});
    each->commit({.proposer = "t", .writes = {{&store, "w", pair_of(second, 0)}}});
  }
  EXPECT_NE(a.head(), b.head());
  EXPECT_EQ(a.sequence(), 4U);
}

TEST_F(LedgerTest, LevelOffLeavesNoRecordsButStillGuards) {
  Ledger off(Ledger::Level::kOff);
  const Store& store = off.open("s", Role::kIdentity);
  off.commit({.proposer = "t", .writes = {{&store, "w", pair_of(1, 2), true}}});
  EXPECT_EQ(off.sequence(), 2U);  // what is written has the numbers it has at every level
  EXPECT_EQ(store.entries()[0].written, 1U);
  EXPECT_EQ(off.head(), Sha256Digest{});
  off.freeze(store);
  EXPECT_THROW(off.commit({.proposer = "t", .writes = {{&store, "w", pair_of(1, 2)}}}),
               FrozenError);
}

TEST(Fingerprint, DoesNotDependOnTheOrderOfCreation) {
  Ledger ledger;
  const Store& a = ledger.open("a", Role::kIdentity);
  const Store& b = ledger.open("b", Role::kIdentity);
  ledger.commit({.proposer = "t",
                 .writes = {{&a, "x", pair_of(1, 2), true}, {&a, "y", pair_of(3, 4), true}}});
  ledger.commit({.proposer = "t",
                 .writes = {{&b, "y", pair_of(3, 4), true}, {&b, "x", pair_of(1, 2), true}}});
  EXPECT_EQ(fingerprint(a), fingerprint(b));
}

}  // namespace
}  // namespace palinode
