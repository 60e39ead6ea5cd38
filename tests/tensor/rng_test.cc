#include "tensor/rng.h"

#include <gtest/gtest.h>

#include <Random123/philox.h>

#include <cmath>
#include <set>

#include "tests/support/bits.h"

namespace palinode {
namespace {

TEST(Philox, GivesThePublishedAnswerForZero) {
  const auto block = philox({0, 0, 0, 0}, {0, 0});
  EXPECT_EQ(block, (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(Philox, AgreesWithItsAuthorsImplementation) {
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::uint32_t a = i * 0x9E3779B9U, b = a ^ 0x5bd1e995U;
    const r123::Philox4x32 reference;
    const auto want = reference({{a, b, ~a, i}}, {{b, a + i}});
    const auto got = philox({a, b, ~a, i}, {b, a + i});
    for (std::size_t k = 0; k < 4; ++k) ASSERT_EQ(got[k], want[k]);
  }
}

TEST(Rng, GivesANumberAnAddressNotATurn) {
  const Rng rng = Rng(7).stream("a");
  const double later = rng.normal(1000);
  rng.normal(3);
  EXPECT_EQ(rng.normal(1000), later);
  const Tensor all = rng.normal({1001}, Dtype::kF64);
  EXPECT_EQ(all.values<double>()[1000], later);
  EXPECT_EQ(all.values<double>()[3], rng.normal(3));
}

TEST(Rng, StreamsOfDifferentNamesOrSeedsDiffer) {
  std::set<std::uint32_t> words;
  for (const char* name : {"a", "b", "a/b", "ab"}) {
    for (const std::uint64_t seed : {1U, 2U}) words.insert(Rng(seed).stream(name).word(0));
  }
  EXPECT_EQ(words.size(), 8U);
}

TEST(Rng, AStreamOfAStreamIsTheStreamOfTheJoinedName) {
  EXPECT_EQ(Rng(1).stream("a").stream("b").word(5), Rng(1).stream("a/b").word(5));
}

TEST(Rng, NormalValuesHaveTheMomentsOfANormal) {
  const Tensor z = Rng(3).stream("z").normal({200000}, Dtype::kF64);
  double sum = 0, square = 0, fourth = 0;
  for (const double x : z.values<double>()) {
    sum += x;
    square += x * x;
    fourth += x * x * x * x;
  }
  const double n = 200000;
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));  // five standard errors each
  EXPECT_NEAR(square / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
}

TEST(Rng, UniformValuesStayInsideAndFillTheInterval) {
  const Tensor u = Rng(3).stream("u").uniform({100000}, Dtype::kF32, -2, 2);
  float low = 2, high = -2;
  for (const float x : u.values<float>()) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  EXPECT_GT(low, -2.0F);
  EXPECT_LT(low, -1.999F);
  EXPECT_LT(high, 2.0F);
  EXPECT_GT(high, 1.999F);
}

TEST(Rng, APermutationHoldsEveryIndexOnce) {
  const std::vector<std::uint32_t> order = Rng(1).stream("p").permutation(1000);
  EXPECT_EQ(std::set<std::uint32_t>(order.begin(), order.end()).size(), 1000U);
  EXPECT_NE(order, Rng(2).stream("p").permutation(1000));
}

TEST(Rng, AllPermutationsOfThreeAreAboutEquallyLikely) {
  std::map<std::vector<std::uint32_t>, int> count;
  for (std::uint64_t s = 0; s < 6000; ++s) ++count[Rng(s).stream("p").permutation(3)];
  ASSERT_EQ(count.size(), 6U);
  for (const auto& [order, n] : count) EXPECT_NEAR(n, 1000, 150);  // five standard deviations
}

TEST(Rng, NormalValuesAreTheSameOnEveryTarget) {
  const Rng rng = Rng(9).stream("z");
  const Tensor want = rng.normal({1001}, Dtype::kF32);
  for_each_simd([&] {
    EXPECT_SAME_BITS(rng.normal({1001}, Dtype::kF32).values<float>(), want.values<float>());
  });
}

}  // namespace
}  // namespace palinode
