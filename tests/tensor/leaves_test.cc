#include "tensor/leaves.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tensor/ledger.h"

namespace palinode {
namespace {

using Names = std::vector<std::string>;

struct LeavesTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);

  LeavesTest() {
    for (const char* name : {"b", "a", "c"}) write(name, 1, true);
  }
  void write(const char* name, float value, bool create = false) {
    ledger.commit(
        {.proposer = "test", .writes = {{&theta, name, Tensor::full<float>({3}, value), create}}});
  }
  // Past the door, through the address alone.
  void stray_write(const char* name) const {
    const auto place = reinterpret_cast<std::uintptr_t>(theta.at(name).values<float>().data());
    *reinterpret_cast<volatile std::byte*>(place + 5) = std::byte{0x7f};
  }
};

TEST_F(LeavesTest, GiveTheFingerprintOfTheStore) {
  const Leaves leaves(theta);
  EXPECT_EQ(leaves.fingerprint(), fingerprint(theta));
  EXPECT_EQ(leaves.sorted().begin()->first, "a");
}

TEST_F(LeavesTest, HashOnlyWhatTheLedgerHasWritten) {
  Leaves leaves(theta);
  EXPECT_EQ(leaves.update(), Names{});
  write("c", 2);
  write("a", 2);
  write("d", 1, true);
  EXPECT_EQ(leaves.update(), (Names{"a", "c", "d"}));
  EXPECT_EQ(leaves.fingerprint(), fingerprint(theta));
  EXPECT_EQ(leaves.update(), Names{});
}

TEST_F(LeavesTest, AnUpdateTrustsTheDoorAndDifferingDoesNot) {
  Leaves leaves(theta);
  stray_write("b");
  EXPECT_EQ(leaves.update(), Names{});
  EXPECT_NE(leaves.fingerprint(), fingerprint(theta));
  EXPECT_EQ(leaves.differing(), Names{"b"});
}

TEST_F(LeavesTest, DifferingNamesWhatIsNewAndForgivesTheSameBitsOnceMore) {
  Leaves leaves(theta);
  write("a", 1);
  EXPECT_EQ(leaves.differing(), Names{});
  write("e", 1, true);
  EXPECT_EQ(leaves.differing(), Names{"e"});
}

}  // namespace
}  // namespace palinode
