#include "tensor/kernels/matmul.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

enum class Data { kRandom, kHostile, kWithNan };

template <class T>
std::vector<T> make(Data data, std::size_t n, std::uint64_t seed) {
  if (data == Data::kRandom) return oracle::random_values<T>(n, seed);
  return oracle::hostile_values<T>(n, seed, data == Data::kWithNan);
}

// A rows x cols matrix of which each line is followed by `gap` unused values. The data starts one
// value late, and ends with the last value that is used.
template <class T>
struct Matrix {
  Matrix(Data kind, std::size_t rows_, std::size_t cols_, bool transposed_, std::size_t gap,
         std::uint64_t seed)
      : rows(rows_), cols(cols_), transposed(transposed_) {
    const std::size_t lines = transposed ? cols : rows;
    const std::size_t length = transposed ? rows : cols;
    line = length + gap;
    data = make<T>(kind, 1 + (lines == 0 ? 0 : (lines - 1) * line + length), seed);
  }

  MatrixView<T> view() const {
    return {std::span<const T>(data).subspan(1), rows, cols, transposed ? 1 : line,
            transposed ? line : 1};
  }

  std::vector<T> data;
  std::size_t rows, cols, line = 0;
  bool transposed;
};

template <class T>
class MatMul : public testing::Test {
 protected:
  // The kernel on every SIMD target against the oracle.
  static void check(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias) {
    const std::vector<T> want = oracle::matmul<T>(
        a.rows, b.cols, a.cols,
        [&](std::size_t i, std::size_t k) { return a.data[i * a.row_stride + k * a.col_stride]; },
        [&](std::size_t k, std::size_t j) { return b.data[k * b.row_stride + j * b.col_stride]; },
        bias);
    SCOPED_TRACE(testing::Message() << a.rows << " x " << b.cols << " x " << a.cols);
    for_each_simd([&] {
      std::vector<T> c(want.size() + 1);
      matmul(a, b, bias, std::span<T>(c).subspan(1));
      EXPECT_SAME_BITS(std::span<const T>(c).subspan(1), std::span<const T>(want));
    });
  }

  static void check_shape(std::size_t m, std::size_t n, std::size_t k, Data data) {
    const std::size_t gap = (m + n + k) % 3;
    for (const bool a_transposed : {false, true}) {
      for (const bool b_transposed : {false, true}) {
        const Matrix<T> a(data, m, k, a_transposed, gap, m);
        const Matrix<T> b(data, k, n, b_transposed, gap, n);
        const auto bias = make<T>(data, n, k);
        check(a.view(), b.view(), m % 2 == 0 ? std::span<const T>(bias) : std::span<const T>());
      }
    }
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(MatMul, Types);

TYPED_TEST(MatMul, BlocksOf256AreSummedInOrder) {
  for (const std::size_t k : Sizes{0, 1, 2, 255, 256, 257, 512, 513}) {
    this->check_shape(7, 19, k, Data::kRandom);
    this->check_shape(14, 67, k, Data::kHostile);
  }
}

TYPED_TEST(MatMul, EveryNumberOfRowsGivesTheChain) {
  for (const std::size_t m : Sizes{1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 24, 25, 143, 145}) {
    this->check_shape(m, 33, 17, Data::kRandom);
    this->check_shape(m, 70, 5, Data::kHostile);
  }
}

TYPED_TEST(MatMul, EveryNumberOfColumnsGivesTheChain) {
  for (const std::size_t n : Sizes{1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1025}) {
    this->check_shape(3, n, 11, Data::kRandom);
    this->check_shape(26, n, 6, Data::kHostile);
  }
}

TYPED_TEST(MatMul, NanAndInfinityPass) { this->check_shape(27, 71, 300, Data::kWithNan); }

TYPED_TEST(MatMul, EmptyExtentsGiveEmptyProducts) {
  this->check_shape(0, 5, 3, Data::kRandom);
  this->check_shape(5, 0, 3, Data::kRandom);
}

TYPED_TEST(MatMul, StridesInBothDirectionsAreFollowed) {
  using T = TypeParam;
  const auto a = oracle::random_values<T>(3 * 40 * 300, 1);
  const auto b = oracle::random_values<T>(2 * 300 * 50, 2);
  this->check({a, 40, 300, 900, 3}, {b, 300, 50, 100, 2}, {});
}

TYPED_TEST(MatMul, OneRowStandsForAllWithStrideZero) {
  using T = TypeParam;
  const auto a = oracle::random_values<T>(30, 1);
  const auto b = oracle::random_values<T>(50, 2);
  this->check({a, 20, 30, 0, 1}, {b, 30, 50, 0, 1}, {});
}

TYPED_TEST(MatMul, ARowDoesNotDependOnTheBatch) {
  using T = TypeParam;
  const std::size_t k = 300;
  const std::size_t n = 70;
  const auto a = oracle::hostile_values<T>(40 * k, 1);
  const auto b = oracle::random_values<T>(k * n, 2);
  std::vector<T> all(40 * n);
  matmul<T>({a, 40, k, k, 1}, {b, k, n, n, 1}, {}, all);
  for (const std::size_t m : Sizes{1, 2, 5, 6, 7, 13}) {
    std::vector<T> few(m * n);
    matmul<T>({a, m, k, k, 1}, {b, k, n, n, 1}, {}, few);
    EXPECT_SAME_BITS(std::span<const T>(few), std::span<const T>(all).first(m * n));
  }
}

TYPED_TEST(MatMul, AnActivationInTheStoreHasTheBitsOfOneAfterwards) {
  using T = TypeParam;
  for (const std::size_t m : Sizes{1, 4, 5, 13, 30}) {
    for (const std::size_t k : Sizes{0, 7, 300}) {
      const std::size_t n = 37;
      const auto a = oracle::random_values<T>(m * k, m);
      const auto b = oracle::random_values<T>(k * n, k);
      const auto bias = oracle::random_values<T>(n, 3);
      for_each_simd([&] {
        std::vector<T> plain(m * n);
        matmul<T>({a, m, k, k, 1}, {b, k, n, n, 1}, bias, plain);
        const auto check = [&](Activation activation,
                               void (*function)(std::span<const T>, std::span<T>)) {
          std::vector<T> want(m * n);
          std::vector<T> got(m * n);
          function(plain, want);
          matmul<T>({a, m, k, k, 1}, {b, k, n, n, 1}, bias, got, activation);
          EXPECT_SAME_BITS(std::span<const T>(got), std::span<const T>(want));
        };
        check(Activation::kRelu, relu<T>);
        check(Activation::kTanh, tanh);
        check(Activation::kSigmoid, sigmoid);
        check(Activation::kGelu, gelu);
        check(Activation::kGeluTanh, gelu_tanh);
      });
    }
  }
}

TYPED_TEST(MatMul, ABatchHasTheBitsOfItsProducts) {
  using T = TypeParam;
  const std::size_t before = threads();
  const std::size_t shapes[][4] = {
      {1, 3, 5, 7}, {3, 40, 33, 300}, {5, 64, 64, 70}, {2, 6, 0, 3}, {4, 3, 5, 0}};
  for (const auto& shape : shapes) {
    const std::size_t count = shape[0], m = shape[1], n = shape[2], k = shape[3];
    const auto a = oracle::hostile_values<T>(count * m * k, m);
    const auto b = oracle::random_values<T>(count * k * n, k);
    const MatrixView<T> turned = {b, k, n, 1, k};  // each b[x] is stored [n, k]
    std::vector<T> want;
    for (std::size_t x = 0; x < count; ++x) {
      std::vector<T> one(m * n);
      matmul<T>({std::span<const T>(a).subspan(x * m * k), m, k, k, 1},
                {std::span<const T>(b).subspan(x * k * n), k, n, 1, k}, {}, one);
      want.insert(want.end(), one.begin(), one.end());
    }
    for (const std::size_t used : Sizes{1, 2, 3, 7}) {
      set_threads(used);
      for_each_simd([&] {
        std::vector<T> c(count * m * n);
        batched_matmul<T>(count, {a, m, k, k, 1}, m * k, turned, k * n, c);
        EXPECT_SAME_BITS(std::span<const T>(c), std::span<const T>(want));
      });
    }
  }
  set_threads(before);
}

TYPED_TEST(MatMul, AStepOfZeroSharesOneMatrix) {
  using T = TypeParam;
  const auto a = oracle::random_values<T>(3 * 4 * 5, 1);
  const auto b = oracle::random_values<T>(5 * 6, 2);
  std::vector<T> want(3 * 4 * 6);
  matmul<T>({a, 12, 5, 5, 1}, {b, 5, 6, 6, 1}, {}, want);
  for_each_simd([&] {
    std::vector<T> got(3 * 4 * 6);
    batched_matmul<T>(3, {a, 4, 5, 5, 1}, 20, {b, 5, 6, 6, 1}, 0, got);
    EXPECT_SAME_BITS(std::span<const T>(got), std::span<const T>(want));
  });
}

TYPED_TEST(MatMul, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const std::size_t shapes[][3] = {
      {301, 130, 300}, {61, 1400, 257}, {5, 3001, 513}, {1, 768, 768}, {64, 64, 128}};
  for (const auto& [m, n, k] : shapes) {
    const auto a = oracle::random_values<T>(m * k, 1);
    const auto b = oracle::random_values<T>(k * n, 2);
    std::vector<T> one(m * n);
    set_threads(1);
    matmul<T>({a, m, k, k, 1}, {b, k, n, n, 1}, {}, one);
    for (const std::size_t used : Sizes{2, 3, 7}) {
      set_threads(used);
      std::vector<T> c(m * n);
      matmul<T>({a, m, k, k, 1}, {b, k, n, n, 1}, {}, c);
      EXPECT_SAME_BITS(std::span<const T>(c), std::span<const T>(one));
    }
  }
  set_threads(before);
}

TEST(MatMulDeathTest, InnerExtentsThatDifferAreABrokenInvariant) {
  const std::vector<float> x(12);
  std::vector<float> c(9);
  EXPECT_DEATH(matmul<float>({x, 3, 4, 4, 1}, {x, 3, 3, 3, 1}, {}, c), "broken invariant");
}

}  // namespace
}  // namespace palinode::kernels
