#include "tensor/kernels/reduce.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_norm.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

constexpr std::size_t kSizes[] = {0,    1,    2,    7,        31,           63,
                                  64,   65,   127,  1009,     4095,         4096,
                                  4097, 8192, 8193, 3 * 4096, 3 * 4096 + 5, 30011};

template <class T>
class Reduce : public testing::Test {
 protected:
  using In = std::span<const T>;
  static constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

  static T max_of(const std::vector<T>& row) {
    T out[1];
    row_max<T>(row, 1, row.size(), out);
    return out[0];
  }
  static std::int32_t argmax_of(const std::vector<T>& row) {
    std::int32_t out[1];
    row_argmax<T>(row, 1, row.size(), out);
    return out[0];
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Reduce, Types);

TYPED_TEST(Reduce, SumFollowsTheLanesAndChunks) {
  using T = TypeParam;
  for (const std::size_t n : kSizes) {
    for (const bool hostile : {false, true}) {
      const auto x =
          hostile ? oracle::hostile_values<T>(n + 1, n) : oracle::random_values<T>(n + 1, n);
      const auto part = std::span<const T>(x).subspan(1);
      const T want[] = {oracle::sum(part)};
      for_each_simd([&] {
        const T got[] = {sum<T>(part)};
        EXPECT_SAME_BITS(got, want) << n;
      });
    }
  }
}

TYPED_TEST(Reduce, SumOfNegativeZerosIsPositive) {
  using T = TypeParam;
  const std::vector<T> x(5, -T{0});
  for_each_simd([&] {
    const T got[] = {sum<T>(x)};
    const T want[] = {T{0}};
    EXPECT_SAME_BITS(got, want);
  });
}

TYPED_TEST(Reduce, SumPassesNanOn) {
  using T = TypeParam;
  auto x = oracle::random_values<T>(5000, 1);
  x[4999] = this->kNan;
  for_each_simd([&] { EXPECT_TRUE(std::isnan(sum<T>(x))); });
}

TYPED_TEST(Reduce, EachRowIsSummedByTheSameRule) {
  using T = TypeParam;
  const std::size_t shapes[][2] = {{0, 3}, {3, 0}, {5, 10}, {7, 65}, {3, 4099}, {64, 1}};
  for (const auto& [rows, cols] : shapes) {
    const auto x = oracle::hostile_values<T>(rows * cols, cols);
    std::vector<T> want(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      want[i] = oracle::sum(std::span<const T>(x).subspan(i * cols, cols));
    }
    for_each_simd([&, rows = rows, cols = cols] {
      std::vector<T> out(rows, T{7});
      row_sums<T>(x, rows, cols, out);
      EXPECT_SAME_BITS(out, want);
    });
  }
}

TYPED_TEST(Reduce, ColumnsAreSummedInBlocksOf256Rows) {
  using T = TypeParam;
  for (const std::size_t rows : Sizes{0, 1, 2, 255, 256, 257, 513}) {
    for (const std::size_t cols : Sizes{0, 1, 3, 7, 8, 17, 64, 131}) {
      const auto x = oracle::hostile_values<T>(rows * cols + 1, rows + cols);
      const auto part = std::span<const T>(x).subspan(1);
      const auto want = oracle::column_sums(part, rows, cols);
      for_each_simd([&] {
        std::vector<T> out(cols, T{7});
        column_sums<T>(part, rows, cols, out);
        EXPECT_SAME_BITS(out, want);
      });
    }
  }
}

TYPED_TEST(Reduce, MaxAndArgmaxAgreeWithThePlainSearch) {
  using T = TypeParam;
  for (const std::size_t cols : Sizes{1, 2, 10, 15, 16, 17, 33, 1009}) {
    for (const bool with_nan : {false, true}) {
      const std::size_t rows = 9;
      const auto x = oracle::hostile_values<T>(rows * cols, cols, with_nan);
      std::vector<T> want(rows);
      std::vector<std::int32_t> want_index(rows);
      for (std::size_t i = 0; i < rows; ++i) {
        want[i] = oracle::max(std::span<const T>(x).subspan(i * cols, cols));
        want_index[i] = oracle::argmax(std::span<const T>(x).subspan(i * cols, cols));
      }
      for_each_simd([&] {
        std::vector<T> out(rows);
        std::vector<std::int32_t> index(rows);
        row_max<T>(x, rows, cols, out);
        row_argmax<T>(x, rows, cols, index);
        EXPECT_SAME_BITS(out, want);
        EXPECT_SAME_BITS(index, want_index);
      });
    }
  }
}

TYPED_TEST(Reduce, WholeTensorsFollowTheRuleOfARow) {
  using T = TypeParam;
  for (const std::size_t n : kSizes) {
    if (n == 0) continue;
    for (const bool with_nan : {false, true}) {
      const auto x = oracle::hostile_values<T>(n + 1, n, with_nan);
      const auto part = std::span<const T>(x).subspan(1);
      const T want[] = {oracle::max(part), oracle::sum(part) / static_cast<T>(n),
                        oracle::l2_norm(part)};
      for_each_simd([&] {
        const T got[] = {max<T>(part), mean<T>(part), l2_norm<T>(part)};
        EXPECT_SAME_BITS(got, want) << n;
        EXPECT_EQ(argmax<T>(part), static_cast<std::size_t>(oracle::argmax(part))) << n;
      });
    }
  }
}

TYPED_TEST(Reduce, SumsThatLookAheadInMemoryFollowTheSameRule) {
  using T = TypeParam;
  const auto x = oracle::random_values<T>((std::size_t{2} << 20) / sizeof(T) + 4097, 1);
  const T want[] = {oracle::sum(std::span<const T>(x))};
  for_each_simd([&] {
    const T got[] = {sum<T>(x)};
    EXPECT_SAME_BITS(got, want);
  });
}

TYPED_TEST(Reduce, RowMeansAreSumsDividedByTheLength) {
  using T = TypeParam;
  const auto x = oracle::hostile_values<T>(7 * 65, 1);
  std::vector<T> out(7), want(7);
  row_sums<T>(x, 7, 65, want);
  for (T& value : want) value /= 65;
  row_means<T>(x, 7, 65, out);
  EXPECT_SAME_BITS(out, want);
}

TYPED_TEST(Reduce, NormsOfNothingAndOfNegativeZerosAreZero) {
  using T = TypeParam;
  const std::vector<T> zeros(5, -T{0});
  const T got[] = {l2_norm<T>({}), l2_norm<T>(zeros)};
  const T want[] = {T{0}, T{0}};
  EXPECT_SAME_BITS(got, want);
}

TEST(L2Norm, OfF32NeitherOverflowsNorVanishesInBetween) {
  for (const float x : {0x1p100F, 0x1p-140F}) {
    const std::vector<float> four(4, x);
    EXPECT_EQ(l2_norm<float>(four), 2 * x);
  }
}

TYPED_TEST(Reduce, NanAnywhereIsTheMaximum) {
  using T = TypeParam;
  for (const std::size_t at : Sizes{0, 5, 16, 39}) {
    std::vector<T> row(40, T{3});
    row[at] = this->kNan;
    for_each_simd([&] {
      EXPECT_TRUE(std::isnan(this->max_of(row)));
      EXPECT_EQ(this->argmax_of(row), static_cast<std::int32_t>(at));
    });
  }
}

TYPED_TEST(Reduce, TheFirstOfEqualMaximaWins) {
  using T = TypeParam;
  std::vector<T> row(40, T{3});
  row[17] = row[18] = row[35] = T{4};
  for_each_simd([&] { EXPECT_EQ(this->argmax_of(row), 17); });
}

TYPED_TEST(Reduce, AMaximumOfZeroIsPositiveZero) {
  using T = TypeParam;
  for (const std::size_t n : Sizes{1, 8, 33}) {
    const std::vector<T> row(n, -T{0});
    for_each_simd([&] { EXPECT_FALSE(std::signbit(this->max_of(row))); });
  }
}

TYPED_TEST(Reduce, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const std::size_t rows = 400;
  const std::size_t cols = 300;
  const auto x = oracle::random_values<T>(rows * cols, 1);
  const auto results = [&](std::size_t used) {
    set_threads(used);
    std::vector<T> out(rows + cols);
    row_sums<T>(x, rows, cols, std::span<T>(out).first(rows));
    column_sums<T>(x, rows, cols, std::span<T>(out).subspan(rows));
    return out;
  };
  const auto one = results(1);
  for (const std::size_t used : Sizes{2, 3, 7}) EXPECT_SAME_BITS(results(used), one);
  set_threads(before);
}

}  // namespace
}  // namespace palinode::kernels
