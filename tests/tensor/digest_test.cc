#include "tensor/digest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

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

}  // namespace
}  // namespace palinode
