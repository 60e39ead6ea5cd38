#include "tensor/merkle.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

std::vector<Sha256Digest> leaves(std::size_t n) {
  std::vector<Sha256Digest> all;
  for (std::size_t i = 0; i < n; ++i) all.push_back(sha256("leaf " + std::to_string(i)));
  return all;
}

std::string raw(const Sha256Digest& digest) { return {digest.begin(), digest.end()}; }
Sha256Digest leaf(const Sha256Digest& digest) { return sha256(std::string(1, '\0') + raw(digest)); }
Sha256Digest pair(const Sha256Digest& a, const Sha256Digest& b) {
  return sha256("\1" + raw(a) + raw(b));
}

TEST(Merkle, ItsRootOfNothingIsTheHashOfNothing) { EXPECT_EQ(merkle_root({}), sha256("")); }

// The tree of RFC 9162, section 2.1.5, with its seven leaves, written out.
TEST(Merkle, ItsRootOfSevenIsThatOfTheStandard) {
  const std::vector<Sha256Digest> d = leaves(7);
  const Sha256Digest g = pair(leaf(d[0]), leaf(d[1])), h = pair(leaf(d[2]), leaf(d[3]));
  const Sha256Digest i = pair(leaf(d[4]), leaf(d[5])), j = leaf(d[6]);
  const Sha256Digest k = pair(g, h), l = pair(i, j);
  EXPECT_EQ(merkle_root(d), pair(k, l));
  EXPECT_EQ(merkle_path(d, 0), (std::vector<Sha256Digest>{leaf(d[1]), h, l}));
  EXPECT_EQ(merkle_path(d, 3), (std::vector<Sha256Digest>{leaf(d[2]), g, l}));
  EXPECT_EQ(merkle_path(d, 4), (std::vector<Sha256Digest>{leaf(d[5]), j, k}));
  EXPECT_EQ(merkle_path(d, 6), (std::vector<Sha256Digest>{i, k}));
}

TEST(Merkle, EveryLeafOfEveryTreeIsProvedAndNoOther) {
  for (std::size_t n = 1; n <= 33; ++n) {
    const std::vector<Sha256Digest> all = leaves(n);
    const Sha256Digest root = merkle_root(all);
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<Sha256Digest> path = merkle_path(all, i);
      EXPECT_EQ(merkle_root_of(all[i], i, n, path), root);
      for (std::size_t j = 0; j < n; ++j) {
        if (j == i) continue;
        EXPECT_NE(merkle_root_of(all[i], j, n, path), root) << n << ' ' << i << ' ' << j;
      }
      EXPECT_NE(merkle_root_of(sha256("another"), i, n, path), root);
      for (std::size_t step = 0; step < path.size(); ++step) {
        std::vector<Sha256Digest> forged = path;
        forged[step][step] ^= 1U;
        EXPECT_NE(merkle_root_of(all[i], i, n, forged), root);
      }
    }
  }
}

TEST(Merkle, APathOfAnotherLengthLeadsNowhere) {
  const std::vector<Sha256Digest> all = leaves(7);
  std::vector<Sha256Digest> path = merkle_path(all, 2);
  EXPECT_EQ(merkle_root_of(all[2], 7, 7, path), std::nullopt);
  EXPECT_EQ(merkle_root_of(all[2], 0, 0, {}), std::nullopt);
  EXPECT_EQ(merkle_root_of(all[2], std::size_t{1} << 62, ~std::size_t{0}, path), std::nullopt);
  path.push_back(all[0]);
  EXPECT_EQ(merkle_root_of(all[2], 2, 7, path), std::nullopt);
  path.resize(2);
  EXPECT_EQ(merkle_root_of(all[2], 2, 7, path), std::nullopt);
}

TEST(Merkle, APairCannotPassForALeaf) {
  const std::vector<Sha256Digest> two = leaves(2);
  EXPECT_NE(merkle_root(std::vector{merkle_root(two)}), merkle_root(two));
}

TEST(Merkle, RefusesALeafThatIsNotThere) {
  EXPECT_MESSAGE(merkle_path(leaves(3), 3), ShapeError, "merkle: no leaf 3 among 3");
}

}  // namespace
}  // namespace palinode
