#include "tensor/kernels/dropout.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

template <class T>
void follows_the_words(std::uint32_t threshold) {
  const Rng rng = Rng(0x123456789abcdefULL).stream("mask");
  for (const std::size_t n : Sizes{0, 1, 3, 4, 17, 1023, 1024, 1025, 5003}) {
    const std::vector<T> x = oracle::random_values<T>(n, 3);
    const T scale = T{1} / T{3};
    std::vector<T> want(n);
    for (std::size_t i = 0; i < n; ++i) want[i] = rng.word(i) < threshold ? T{0} : x[i] * scale;
    for_each_simd([&] {
      std::vector<T> out(n);
      dropout<T>(rng.key(), threshold, scale, x, out);
      EXPECT_SAME_BITS(std::span<const T>(out), std::span<const T>(want));
    });
  }
}

TEST(Dropout, DropsAnElementByTheWordOfItsPlace) {
  for (const std::uint32_t threshold : {0u, 1u, 0x40000000u, 0x80000000u, 0xffffffffu}) {
    follows_the_words<float>(threshold);
    follows_the_words<double>(threshold);
  }
}

TEST(Dropout, OfAPartDropsByThePlacesInTheWhole) {
  const std::vector<float> x = oracle::random_values<float>(5003, 1);
  std::vector<float> whole(x.size());
  dropout<float>({1, 2}, 0x80000000, 2, x, whole);
  for (const std::size_t first : Sizes{1, 2, 3, 4, 1000, 1023, 1024, 1025, 3000}) {
    for (const std::size_t n : Sizes{0, 1, 23, 24, 25, 1024, 2003}) {
      for_each_simd([&] {
        std::vector<float> part(n);
        dropout<float>({1, 2}, 0x80000000, 2, std::span(x).subspan(first, n), part, first);
        EXPECT_SAME_BITS(std::span<const float>(part), std::span(whole).subspan(first, n));
      });
    }
  }
}

TEST(Dropout, GoesOnWhereTheLowWordOfTheCounterEnds) {
  const Rng rng = Rng(5).stream("mask");
  const std::uint64_t first = (std::uint64_t{1} << 34) - 5;
  const std::vector<float> x(11, 1.0F);
  std::vector<float> out(x.size());
  dropout<float>(rng.key(), 0x80000000, 1, x, out, first);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(out[i], rng.word(first + i) < 0x80000000 ? 0 : 1) << i;
  }
}

TEST(Dropout, IsTheSameWithAnyNumberOfThreads) {
  const std::size_t before = threads();
  const std::vector<float> x = oracle::random_values<float>(100003, 1);
  std::vector<float> one(x.size()), three(x.size());
  set_threads(1);
  dropout<float>({1, 2}, 0x33333333, 2, x, one);
  set_threads(3);
  dropout<float>({1, 2}, 0x33333333, 2, x, three);
  set_threads(before);
  EXPECT_SAME_BITS(std::span<const float>(one), std::span<const float>(three));
}

TEST(RandomWords, AreThoseOfTheStreamFromAnyBlockOn) {
  const Rng rng = Rng(77).stream("words");
  for (const std::uint64_t block :
       {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{255}, (std::uint64_t{1} << 32) - 3}) {
    std::vector<std::uint32_t> words(2051);
    for_each_simd([&] {
      random_words(rng.key(), block, words);
      for (std::size_t i = 0; i < words.size(); ++i) {
        ASSERT_EQ(words[i], rng.word(4 * block + i)) << block << " " << i;
      }
    });
  }
}

}  // namespace
}  // namespace palinode::kernels
