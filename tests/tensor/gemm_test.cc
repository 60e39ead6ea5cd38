// The second matrix product: chosen by name, loaded when asked for, and as precise as ours.
#include "tensor/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/blas.h"
#include "tensor/kernels/matmul.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"

namespace palinode {
namespace {

using kernels::MatrixView;
using Sizes = std::initializer_list<std::size_t>;

// Skips where there is no OpenBLAS, and leaves the canonical product behind.
class OpenBlas : public testing::Test {
 protected:
  void SetUp() override {
    try {
      use_gemm(Gemm::kOpenblas);
    } catch (const EnvironmentError& error) {
      GTEST_SKIP() << error.what();
    }
  }
  void TearDown() override { use_gemm(Gemm::kCanonical); }
};

// Both products compute every element within gamma_k |a| |b|, gamma_k = k u / (1 - k u), of the
// exact one, whatever the order of the sum (Higham, "Accuracy and Stability of Numerical
// Algorithms", 2002, section 3.5); a bias costs each one more rounding.
template <class T>
void expect_close(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias) {
  SCOPED_TRACE(testing::Message() << a.rows << " x " << b.cols << " x " << a.cols);
  std::vector<T> theirs(a.rows * b.cols, std::numeric_limits<T>::quiet_NaN()), ours = theirs;
  use_gemm(Gemm::kOpenblas);
  kernels::matmul<T>(a, b, bias, theirs);
  use_gemm(Gemm::kCanonical);
  kernels::matmul<T>(a, b, bias, ours);
  const double u = 0.5 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const double steps = static_cast<double>(a.cols + 1);
  const double gamma = steps * u / (1 - steps * u);
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < b.cols; ++j) {
      double size = bias.empty() ? 0 : std::abs(static_cast<double>(bias[j]));
      for (std::size_t k = 0; k < a.cols; ++k) {
        size += std::abs(static_cast<double>(a.data[i * a.row_stride + k * a.col_stride]) *
                         static_cast<double>(b.data[k * b.row_stride + j * b.col_stride]));
      }
      const std::size_t at = i * b.cols + j;
      ASSERT_LE(std::abs(static_cast<double>(theirs[at]) - static_cast<double>(ours[at])),
                2 * gamma * size)
          << "at (" << i << ", " << j << ")";
    }
  }
}

// op(a) op(b) for the four transposes, lines with a gap of `gap` values, with and without a bias.
template <class T>
void expect_all_transposes_close(std::size_t m, std::size_t n, std::size_t k, std::size_t gap) {
  const auto a = oracle::random_values<T>((m + gap) * (k + gap), m);
  const auto b = oracle::random_values<T>((k + gap) * (n + gap), n);
  const auto bias = oracle::random_values<T>(n, k);
  for (const bool a_t : {false, true}) {
    for (const bool b_t : {false, true}) {
      const MatrixView<T> left = {a, m, k, a_t ? 1 : k + gap, a_t ? m + gap : 1};
      const MatrixView<T> right = {b, k, n, b_t ? 1 : n + gap, b_t ? k + gap : 1};
      expect_close<T>(left, right, {});
      expect_close<T>(left, right, bias);
    }
  }
}

TEST_F(OpenBlas, IsAsCloseAsTheErrorAnalysisSays) {
  const std::size_t shapes[][3] = {{1, 1, 1},    {1, 70, 300}, {70, 1, 300},  {5, 7, 1},
                                   {13, 17, 19}, {64, 64, 64}, {33, 129, 513}};
  for (const auto& [m, n, k] : shapes) {
    for (const std::size_t gap : Sizes{0, 3}) {
      expect_all_transposes_close<float>(m, n, k, gap);
      expect_all_transposes_close<double>(m, n, k, gap);
    }
  }
}

TEST_F(OpenBlas, TakesAnyStride) {
  const auto a = oracle::random_values<float>(3 * 40 * 300, 1);
  const auto b = oracle::random_values<float>(2 * 300 * 50, 2);
  expect_close<float>({a, 40, 300, 900, 3}, {b, 300, 50, 100, 2}, {});
  expect_close<float>({a, 40, 300, 0, 1}, {b, 300, 50, 0, 1}, {});
  expect_close<float>({a, 40, 300, 1, 1}, {b, 300, 50, 1, 0}, {});
}

TEST_F(OpenBlas, SharesOutRowsOrColumns) {
  const std::size_t before = threads();
  for (const std::size_t count : Sizes{1, 2, 3}) {
    set_threads(count);
    expect_all_transposes_close<float>(301, 130, 300, 1);
    expect_all_transposes_close<float>(61, 700, 257, 0);
  }
  set_threads(before);
}

TEST_F(OpenBlas, EmptyExtentsGiveEmptyProductsAndNoStepsGiveZero) {
  const std::vector<float> x(12, 1);
  std::vector<float> c;
  kernels::matmul<float>({x, 0, 4, 4, 1}, {x, 4, 3, 3, 1}, {}, c);
  c.assign(6, 7);
  kernels::matmul<float>({x, 2, 0, 1, 1}, {x, 0, 3, 3, 1}, {}, c);
  EXPECT_EQ(c, std::vector<float>(6));
}

TEST_F(OpenBlas, RefusesExtentsBeyondItsIntegers) {
  const std::vector<float> x(4);
  std::vector<float> c(4);
  const MatrixView<float> wide = {x, 2, 2, std::size_t{1} << 31, 1};
  EXPECT_THROW(kernels::openblas_matmul<float>(wide, {x, 2, 2, 2, 1}, {}, c), ShapeError);
}

TEST_F(OpenBlas, NamesItsCoreAndSaysThatItIsOutsideTheContract) {
  EXPECT_NE(openblas_core(), "");
  EXPECT_NE(openblas_config().find("OpenBLAS"), std::string::npos);
  EXPECT_EQ(gemm_warning(),
            "OpenBLAS (core " + openblas_core() + "): outside the same-bits contract");
}

TEST(Gemm, IsCanonicalUntilAnotherIsChosen) {
  EXPECT_EQ(active_gemm(), Gemm::kCanonical);
  EXPECT_EQ(gemm_warning(), "");
}

TEST(Gemm, BackendsHaveNames) {
  EXPECT_EQ(gemm_name(Gemm::kCanonical), "canonical");
  EXPECT_EQ(gemm_name(Gemm::kOpenblas), "openblas");
}

TEST(Gemm, ALibraryThatIsNotThereIsNamedWithItsPackage) {
  try {
    kernels::load_openblas("libno-such-blas.so.0");
    ADD_FAILURE() << "loaded";
  } catch (const EnvironmentError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("libopenblas0"), std::string::npos) << message;
    EXPECT_NE(message.find("libno-such-blas.so.0"), std::string::npos) << message;
  }
}

TEST(Gemm, ALibraryThatIsNoBlasIsNamedWithWhatItLacks) {
  EXPECT_MESSAGE(kernels::load_openblas("libm.so.6"), EnvironmentError,
                 "gemm: libm.so.6 has no cblas_sgemm");
}

}  // namespace
}  // namespace palinode
