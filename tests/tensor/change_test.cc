#include "tensor/kernels/change.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

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

template <class T>
void expect_change(const std::vector<T>& before, const std::vector<T>& after) {
  std::uint64_t changed = 0;
  double max_abs = 0;
  std::vector<double> squares;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double delta = static_cast<double>(after[i]) - static_cast<double>(before[i]);
    const T pair[] = {before[i], after[i]};
    if (!same_bits(std::span<const T>(pair, 1), std::span<const T>(pair + 1, 1))) ++changed;
    if (!(std::abs(delta) <= max_abs)) max_abs = std::abs(delta);
    squares.push_back(delta * delta);
  }
  const double want[] = {max_abs, std::sqrt(oracle::sum(std::span<const double>(squares)))};
  for_each_simd([&] {
    const Change got = change<T>(before, after);
    const double numbers[] = {got.max_abs, got.l2};
    EXPECT_EQ(got.elements_changed, changed) << before.size();
    EXPECT_SAME_BITS(numbers, want) << before.size();
  });
}

template <class T>
class ChangeOf : public testing::Test {};

using Types = testing::Types<float, double, std::int32_t>;
TYPED_TEST_SUITE(ChangeOf, Types);

TYPED_TEST(ChangeOf, IsMeasuredInF64ByTheSumRule) {
  for (const std::size_t n : Sizes{0, 1, 3, 7, 8, 63, 65, 1009, 4096, 4097, 3 * 4096 + 5}) {
    auto before = values<TypeParam>(n, 1);
    auto after = values<TypeParam>(n, 2);
    for (std::size_t i = 0; i < n; i += 3) after[i] = before[i];
    expect_change(before, after);
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

TEST(Change, OverflowingF32DifferencesStayFinite) {
  const float max = std::numeric_limits<float>::max();
  const Change got = change<float>(std::vector<float>{-max}, std::vector<float>{max});
  EXPECT_EQ(got.max_abs, 2.0 * max);
}

}  // namespace
}  // namespace palinode::kernels
