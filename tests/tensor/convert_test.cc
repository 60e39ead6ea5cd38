// The 16-bit conversions against their definition: all patterns, all midpoints; with
// PALINODE_EXHAUSTIVE=1 all 2^32 values of f32.
#include "tensor/kernels/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_half.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

template <class H>
std::vector<H> all_patterns() {
  std::vector<H> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

template <class H, class T>
void expect_narrowed(std::span<const T> x) {
  std::vector<H> got(x.size());
  narrow<T, H>(x, got);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const H want = oracle::narrow<H>(static_cast<double>(x[i]));
    ASSERT_EQ(got[i].bits, want.bits) << "of " << std::hexfloat << x[i] << ", " << i;
  }
}

// Each number half-way between two neighbours of H, the last one and infinity included, and the
// values of T next to it, with both signs.
template <class H, class T>
std::vector<T> around_midpoints() {
  const std::vector<double> numbers = oracle::half_numbers<H>();
  std::vector<T> all;
  for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
    const T middle = static_cast<T>((numbers[i] + numbers[i + 1]) / 2);
    for (const T x : {std::nextafter(middle, T{0}), middle,
                      std::nextafter(middle, std::numeric_limits<T>::infinity())}) {
      all.push_back(x);
      all.push_back(-x);
    }
  }
  return all;
}

template <class Pair>
class Convert : public testing::Test {};

using Pairs = testing::Types<std::pair<BFloat16, float>, std::pair<BFloat16, double>,
                             std::pair<Float16, float>, std::pair<Float16, double>>;
TYPED_TEST_SUITE(Convert, Pairs);

TYPED_TEST(Convert, WidensEveryPatternExactly) {
  using H = typename TypeParam::first_type;
  using T = typename TypeParam::second_type;
  const std::vector<H> x = all_patterns<H>();
  std::vector<T> want;
  for (const H value : x) want.push_back(static_cast<T>(oracle::widen(value)));
  for_each_simd([&] {
    std::vector<T> out(x.size());
    widen<H, T>(x, out);
    EXPECT_SAME_BITS(out, want);
  });
}

TYPED_TEST(Convert, NarrowsEveryWidenedPatternToItself) {
  using H = typename TypeParam::first_type;
  using T = typename TypeParam::second_type;
  const std::vector<H> x = all_patterns<H>();
  for_each_simd([&] {
    std::vector<T> wide(x.size());
    std::vector<H> out(x.size());
    widen<H, T>(x, wide);
    narrow<T, H>(wide, out);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(out[i].bits, is_nan(x[i]) ? H::kNan : x[i].bits);
    }
  });
}

TYPED_TEST(Convert, RoundsToTheNearestAroundEveryMidpoint) {
  using H = typename TypeParam::first_type;
  using T = typename TypeParam::second_type;
  const auto x = around_midpoints<H, T>();
  for_each_simd([&] { expect_narrowed<H, T>(x); });
}

TYPED_TEST(Convert, RoundsHostileValuesOfAnyLengthAndAlignment) {
  using H = typename TypeParam::first_type;
  using T = typename TypeParam::second_type;
  for (const std::size_t n : Sizes{0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 1009}) {
    auto x = oracle::hostile_values<T>(n + 1, n, true);
    for (std::size_t i = 0; i < n; i += 2) x[i] = std::ldexp(x[i], static_cast<int>(i % 30) - 10);
    const auto part = std::span<const T>(x).subspan(1);
    for_each_simd([&] {
      expect_narrowed<H, T>(part);
      std::vector<H> guarded(n + 2, H{0x1234});
      narrow<T, H>(part, std::span(guarded).subspan(1, n));
      EXPECT_EQ(guarded.front().bits, 0x1234);
      EXPECT_EQ(guarded.back().bits, 0x1234);
    });
  }
}

TYPED_TEST(Convert, ThreadsDoNotChangeABit) {
  using H = typename TypeParam::first_type;
  using T = typename TypeParam::second_type;
  const std::size_t before = threads();
  const auto x = oracle::hostile_values<T>(300001, 1, true);
  for (const std::size_t used : Sizes{1, 2, 3, 7}) {
    set_threads(used);
    expect_narrowed<H, T>(x);
  }
  set_threads(before);
}

// Just beside a midpoint an f64 rounds to it in f32, and from there to the wrong side.
template <class H>
void expect_no_double_rounding() {
  const auto x = around_midpoints<H, double>();
  std::vector<H> once(x.size());
  narrow<double, H>(x, once);
  std::size_t differ = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const H twice = oracle::narrow<H>(static_cast<float>(x[i]));
    differ += once[i] == twice ? 0 : 1;
  }
  EXPECT_GT(differ, x.size() / 10);
}

TEST(NarrowF64, RoundsOnceAndNotByWayOfF32) {
  expect_no_double_rounding<BFloat16>();
  expect_no_double_rounding<Float16>();
}

TEST(Narrow, KeepsSignsOverflowsToInfinityAndHasOneNan) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {0.0F, -0.0F, inf, -inf, 65504.0F, 65520.0F, -65519.0F, nan, -nan};
  const std::uint16_t want[] = {0x0000, 0x8000, 0x7c00, 0xfc00, 0x7bff,
                                0x7c00, 0xfbff, 0x7e00, 0x7e00};
  for_each_simd([&] {
    std::vector<Float16> out(x.size());
    narrow<float, Float16>(x, out);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(out[i].bits, want[i]) << x[i];
  });
}

// Walks up the 2^31 non-negative f32 with the 16-bit number below at hand.
template <class H>
void expect_all_narrowed() {
  constexpr std::uint32_t kInfinity = 0x7f800000;
  constexpr std::size_t kBatch = std::size_t{1} << 16;
  const std::vector<double> numbers = oracle::half_numbers<H>();
  std::size_t below = 0;
  std::vector<float> x(kBatch), negative(kBatch);
  std::vector<H> got(kBatch), got_negative(kBatch);
  for (std::uint32_t base = 0; base < 0x80000000; base += kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      x[i] = std::bit_cast<float>(base + static_cast<std::uint32_t>(i));
      negative[i] = std::bit_cast<float>(base + static_cast<std::uint32_t>(i) + 0x80000000);
    }
    narrow<float, H>(x, got);
    narrow<float, H>(negative, got_negative);
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::size_t want = H::kNan;
      std::size_t want_negative = H::kNan;
      if (base + i <= kInfinity) {
        while (below + 1 < numbers.size() && numbers[below + 1] <= x[i]) ++below;
        want = oracle::nearer(numbers, below, x[i]);
        want_negative = want + 0x8000;
      }
      ASSERT_EQ(got[i].bits, want) << std::hexfloat << x[i];
      ASSERT_EQ(got_negative[i].bits, want_negative) << std::hexfloat << negative[i];
    }
  }
}

TEST(NarrowExhaustive, RoundsAllF32ToTheNearest) {
  if (std::getenv("PALINODE_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "PALINODE_EXHAUSTIVE not set";
  for_each_simd([] {
    expect_all_narrowed<BFloat16>();
    expect_all_narrowed<Float16>();
  });
}

}  // namespace
}  // namespace palinode::kernels
