#include "tensor/digest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "tensor/ledger.h"
#include "tensor/parallel.h"

namespace palinode {
namespace {

TEST(Sha256, GivesThePublishedAnswerForAbc) {
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, StartsAfreshAfterFinish) {
  Sha256 sha;
  sha.add("something else").finish();
  EXPECT_EQ(sha.add("abc").finish(), sha256("abc"));
}

TEST(Xxh3, DependsOnValuesNotOnStrides) {
  const Tensor x = Tensor::from<float>(std::vector<float>{1, 2, 3, 4}, {2, 2});
  const Tensor y = Tensor::from<float>(std::vector<float>{1, 3, 2, 4}, {2, 2});
  EXPECT_EQ(xxh3(x.transpose()), xxh3(y));
  EXPECT_NE(xxh3(x), xxh3(y));
}

TEST(Xxh3, TellsZeroFromMinusZero) {
  EXPECT_NE(xxh3(Tensor::full<float>({1}, 0.0F)), xxh3(Tensor::full<float>({1}, -0.0F)));
}

TEST(Xxh3, TakesAllNansForOne) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(xxh3(Tensor::full<float>({3}, nan)), xxh3(Tensor::full<float>({3}, -nan)));
}

TEST(LeafDigest, CoversNameTypeAndShape) {
  const Tensor x = Tensor::zeros({2, 3}, Dtype::kF32);
  const Sha256Digest digest = leaf_digest("w", x);
  EXPECT_NE(digest, leaf_digest("v", x));
  EXPECT_NE(digest, leaf_digest("w", x.reshape({3, 2})));
  EXPECT_NE(digest, leaf_digest("w", Tensor::zeros({2, 3}, Dtype::kI32)));
}

// By the definition: name, type, rank, extents, values.
Sha256Digest defined_leaf(std::string_view name, const std::vector<float>& values) {
  const std::string_view zero("\0", 1);
  Sha256 sha;
  sha.add(name).add(zero).add("f32").add(zero).add(std::uint64_t{1});
  return sha.add(std::uint64_t{values.size()}).add(std::as_bytes(std::span(values))).finish();
}

TEST(Fingerprint, OfAFrozenStoreIsOneDigestOverItsLeavesByNameWhateverTheThreads) {
  const std::size_t before = threads();
  for (const std::size_t used : {1U, 2U, 3U}) {
    set_threads(used);
    Ledger ledger;
    const Store& theta = ledger.open("theta", Role::kIdentity);
    Proposal proposal{.proposer = "test"};
    Sha256 sha;
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
      const float x = static_cast<float>(name[0]);
      sha.add(defined_leaf(name, std::vector<float>(30000, x)));
      // Created from the last to the first: the order of the leaves is that of the names.
      proposal.writes.insert(proposal.writes.begin(),
                             {&theta, name, Tensor::full<float>({30000}, x), true});
    }
    ledger.commit(proposal);
    EXPECT_EQ(ledger.freeze(theta), sha.finish()) << used;
  }
  set_threads(before);
}

}  // namespace
}  // namespace palinode
