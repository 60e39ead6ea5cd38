#include "tensor/kernels/change.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "tensor/float16.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

template <class T>
std::vector<T> values(std::size_t n, std::uint64_t seed) {
  if constexpr (std::is_same_v<T, std::int32_t>) {
    std::vector<T> out;
    for (const double x : oracle::random_values<double>(n, seed)) {
      out.push_back(static_cast<std::int32_t>(x * 0x1p30));
    }
    return out;
  } else {
    return oracle::random_values<T>(n, seed);
  }
}

// docs/arithmetic.md, section 9, with differences and squares in S.
template <class S, class T>
Change change_in(const std::vector<T>& before, const std::vector<T>& after) {
  Change want;
  std::vector<S> squares;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const S delta = static_cast<S>(after[i]) - static_cast<S>(before[i]);
    const S scale = sizeof(S) == sizeof(float) ? static_cast<S>(0x1p96) : S{1};
    const T pair[] = {before[i], after[i]};
    if (!same_bits(std::span<const T>(pair, 1), std::span<const T>(pair + 1, 1))) {
      ++want.elements_changed;
    }
    if (!std::isnan(want.max_abs) && !(std::abs(delta) <= want.max_abs)) {
      want.max_abs = std::abs(delta);
    }
    squares.push_back((delta * scale) * delta);
  }
  std::vector<double> chunks;
  for (std::size_t i = 0; i < squares.size(); i += 4096) {
    const std::size_t count = std::min<std::size_t>(4096, squares.size() - i);
    const auto sum =
        static_cast<double>(oracle::sum(std::span<const S>(squares).subspan(i, count)));
    chunks.push_back(sizeof(S) == sizeof(float) ? sum * 0x1p-96 : sum);
  }
  want.l2 = std::sqrt(oracle::sum_of_chunks(std::span<const double>(chunks)));
  return want;
}

void expect_same(const Change& got, const Change& want) {
  const double got_numbers[] = {got.max_abs, got.l2};
  const double want_numbers[] = {want.max_abs, want.l2};
  EXPECT_EQ(got.elements_changed, want.elements_changed);
  EXPECT_SAME_BITS(got_numbers, want_numbers);
}

template <class T>
void expect_change(const std::vector<T>& before, const std::vector<T>& after) {
  SCOPED_TRACE(before.size());
  const Change want = change_in<double>(before, after);
  for_each_simd([&] { expect_same(change<T>(before, after), want); });
}

// The same in pieces, by the ledger's rule.
template <class T>
void expect_change_in_pieces(const std::vector<T>& before, const std::vector<T>& after) {
  Change want = change_in<double>(before, after);
  if (std::is_same_v<T, float>) {
    const Change narrow = change_in<float>(before, after);
    if (narrow.max_abs == 0 || (narrow.max_abs >= 0x1p-96 && narrow.max_abs <= 0x1p9)) {
      want = narrow;
    }
  }
  for (const std::size_t piece : Sizes{64, 1024, 4096, 8192}) {
    SCOPED_TRACE(testing::Message() << before.size() << " in pieces of " << piece);
    for_each_simd([&] {
      ChangeSum<T> sum;
      for (std::size_t i = 0; i < before.size(); i += piece) {
        const std::size_t n = std::min(piece, before.size() - i);
        sum.add(std::span<const T>(before).subspan(i, n), std::span<const T>(after).subspan(i, n));
      }
      expect_same(sum.total(before, after), want);
    });
  }
}

template <class T>
class ChangeOf : public testing::Test {};

using Types = testing::Types<float, double, std::int32_t>;
TYPED_TEST_SUITE(ChangeOf, Types);

TYPED_TEST(ChangeOf, IsMeasuredByTheSumRule) {
  for (const std::size_t n : Sizes{0, 1, 3, 7, 8, 63, 65, 1009, 4096, 4097, 3 * 4096 + 5}) {
    auto before = values<TypeParam>(n, 1);
    auto after = values<TypeParam>(n, 2);
    for (std::size_t i = 0; i < n; i += 3) after[i] = before[i];
    expect_change(before, after);
  }
}

template <class T>
class ChangeOfFloats : public testing::Test {};

using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ChangeOfFloats, FloatTypes);

TYPED_TEST(ChangeOfFloats, InPiecesIsThatOfTheWholeAtEverySize) {
  using T = TypeParam;
  for (const std::size_t n : Sizes{0, 1, 63, 65, 4096, 4097, 5003}) {
    const auto base = values<T>(n, 1);
    for (const double scale :
         {0x1p-149, 0x1p-120, 0x1p-110, 0x1p-60, 0x1p-30, 0x1p-15, 1.0, 0x1p120}) {
      auto before = values<T>(n, 2);
      for (T& x : before) x = static_cast<T>(x * scale);
      auto after = before;
      for (std::size_t i = 0; i < n; ++i) {
        if (i % 3 != 1) after[i] = static_cast<T>(base[i] * scale);
      }
      expect_change_in_pieces(before, after);
    }
  }
  expect_change_in_pieces(oracle::hostile_values<T>(5003, 3, true),
                          oracle::hostile_values<T>(5003, 4));
}

TYPED_TEST(ChangeOfFloats, OneValueThatIsNotFiniteIsFound) {
  using T = TypeParam;
  const std::vector<T> before(131, T{1});
  for (std::size_t place = 0; place < before.size(); ++place) {
    for (const double bad :
         {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
          std::numeric_limits<double>::quiet_NaN()}) {
      auto after = before;
      after[place] = static_cast<T>(bad);
      for_each_simd([&] {
        ChangeSum<T> sum;
        sum.add(before, after);
        EXPECT_FALSE(sum.finite()) << place;
      });
    }
  }
}

TYPED_TEST(ChangeOf, NothingIsAllZero) {
  const auto x = values<TypeParam>(1009, 1);
  const Change same = change<TypeParam>(x, x);
  EXPECT_EQ(same.elements_changed, 0u);
  EXPECT_EQ(same.max_abs, 0.0);
  EXPECT_EQ(same.l2, 0.0);
}

TEST(Change, AZeroThatChangesItsSignCounts) {
  const std::vector<float> before(9, 0.0f);
  const std::vector<float> after(9, -0.0f);
  for_each_simd([&] {
    const Change got = change<float>(before, after);
    EXPECT_EQ(got.elements_changed, 9u);
    EXPECT_EQ(got.l2, 0.0);
  });
}

TEST(Change, ANanIsNotHidden) {
  std::vector<double> before(100, 1.0);
  auto after = before;
  after[3] = std::numeric_limits<double>::quiet_NaN();
  after[70] = 5.0;
  for_each_simd([&] {
    const Change got = change<double>(before, after);
    EXPECT_EQ(got.elements_changed, 2u);
    EXPECT_TRUE(std::isnan(got.max_abs));
    EXPECT_TRUE(std::isnan(got.l2));
  });
}

TYPED_TEST(ChangeOfFloats, ANanThatTakesAnotherNansPlaceIsNoChange) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> before = {nan, -nan, nan, -nan, T{1}, nan};
  const std::vector<T> after = {nan, -nan, -nan, nan, nan, T{1}};
  for_each_simd([&] {
    EXPECT_EQ(change<T>(before, after).elements_changed, 2u);
    ChangeSum<T> sum;
    sum.add(before, after);
    EXPECT_EQ(sum.total(before, after).elements_changed, 2u);
  });
}

TEST(Change, SixteenBitNansAreOneToo) {
  const std::vector<Float16> before = {{0x7e00}, {0xfe00}, {0x7c01}, {0x3c00}};
  const std::vector<Float16> after = {{0xfe01}, {0x7e00}, {0x7e00}, {0x7e00}};
  const std::vector<BFloat16> before_bf = {{0x7fc0}, {0x7f80}};
  const std::vector<BFloat16> after_bf = {{0xffff}, {0xff80}};
  for_each_simd([&] {
    EXPECT_EQ(change<Float16>(before, after).elements_changed, 1u);
    EXPECT_EQ(change<BFloat16>(before_bf, after_bf).elements_changed, 1u);
  });
}

TEST(Change, OverflowingF32DifferencesStayFinite) {
  const float max = std::numeric_limits<float>::max();
  const Change got = change<float>(std::vector<float>{-max}, std::vector<float>{max});
  EXPECT_EQ(got.max_abs, 2.0 * max);
}

}  // namespace
}  // namespace palinode::kernels
