#include "tensor/kernels/norm.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"
#include "tests/support/oracle_norm.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

enum class Data { kRandom, kHostile, kWithNan };

// One value more than needed in front of the large inputs, so that they are not aligned.
template <class T>
struct Problem {
  Problem(std::size_t rows_, std::size_t cols_, Data data) : rows(rows_), cols(cols_) {
    const auto values = [&](std::size_t n, std::uint64_t seed) {
      if (data == Data::kRandom) return oracle::random_values<T>(n, seed);
      return oracle::hostile_values<T>(n, seed, data == Data::kWithNan);
    };
    x_and_one = values(rows * cols + 1, cols);
    g_and_one = values(rows * cols + 1, cols + 1000);
    x = std::span<const T>(x_and_one).subspan(1);
    g = std::span<const T>(g_and_one).subspan(1);
    gamma = oracle::random_values<T>(cols, cols + 1);
    beta = oracle::random_values<T>(cols, cols + 2);
  }
  Problem(const Problem&) = delete;

  oracle::NormRow<T> row(std::size_t i, bool centred) const {
    return oracle::NormRow<T>(x.subspan(i * cols, cols), eps, centred);
  }

  std::size_t rows, cols;
  std::vector<T> x_and_one, g_and_one, gamma, beta;
  std::span<const T> x, g;
  T eps = static_cast<T>(1e-5);
};

// All that the kernels compute for one problem.
template <class T>
struct Results {
  explicit Results(const Problem<T>& q)
      : y(q.x.size()), dx(q.x.size()), mean(q.rows), rstd(q.rows), dgamma(q.cols, T{7}) {}

  std::vector<T> y, dx, mean, rstd, dgamma;
};

template <class T>
Results<T> want(const Problem<T>& q, bool centred) {
  Results<T> out(q);
  std::vector<T> products;
  for (std::size_t i = 0; i < q.rows; ++i) {
    const auto row = q.row(i, centred);
    const auto g = q.g.subspan(i * q.cols, q.cols);
    const auto dx = oracle::norm_grad_row<T>(row, g, q.gamma, centred);
    out.mean[i] = row.mean;
    out.rstd[i] = row.rstd;
    for (std::size_t j = 0; j < q.cols; ++j) {
      const T scaled = row.h[j] * q.gamma[j];
      out.y[i * q.cols + j] = centred ? scaled + q.beta[j] : scaled;
      out.dx[i * q.cols + j] = dx[j];
      products.push_back(g[j] * row.h[j]);
    }
  }
  out.dgamma = oracle::column_sums<T>(products, q.rows, q.cols);
  return out;
}

template <class T>
Results<T> got(const Problem<T>& q, bool centred) {
  Results<T> out(q);
  if (centred) {
    layer_norm<T>(q.x, q.rows, q.cols, q.gamma, q.beta, q.eps, out.y, out.mean, out.rstd);
    layer_norm_grad<T>(q.g, q.x, q.rows, q.cols, q.gamma, out.mean, out.rstd, out.dx);
    layer_norm_gamma_grad<T>(q.g, q.x, q.rows, q.cols, out.mean, out.rstd, out.dgamma);
  } else {
    rms_norm<T>(q.x, q.rows, q.cols, q.gamma, q.eps, out.y, out.rstd);
    rms_norm_grad<T>(q.g, q.x, q.rows, q.cols, q.gamma, out.rstd, out.dx);
    rms_norm_gamma_grad<T>(q.g, q.x, q.rows, q.cols, out.rstd, out.dgamma);
  }
  return out;
}

template <class T>
void expect_same(const Results<T>& a, const Results<T>& b) {
  EXPECT_SAME_BITS(a.mean, b.mean);
  EXPECT_SAME_BITS(a.rstd, b.rstd);
  EXPECT_SAME_BITS(a.y, b.y);
  EXPECT_SAME_BITS(a.dx, b.dx);
  EXPECT_SAME_BITS(a.dgamma, b.dgamma);
}

template <class T>
void expect_as_specified(bool centred) {
  for (const Data data : {Data::kRandom, Data::kHostile, Data::kWithNan}) {
    for (const auto& [rows, cols] :
         std::initializer_list<std::pair<std::size_t, std::size_t>>{{0, 5},
                                                                    {1, 1},
                                                                    {3, 1},
                                                                    {9, 2},
                                                                    {9, 7},
                                                                    {9, 8},
                                                                    {9, 17},
                                                                    {5, 31},
                                                                    {5, 64},
                                                                    {5, 65},
                                                                    {3, 131},
                                                                    {257, 33},
                                                                    {513, 3},
                                                                    {2, 4096},
                                                                    {2, 4097},
                                                                    {1, 3 * 4096 + 5}}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << cols);
      const Problem<T> q(rows, cols, data);
      const Results<T> right = want(q, centred);
      for_each_simd([&] { expect_same(got(q, centred), right); });
    }
  }
}

template <class T>
class Norm : public testing::Test {};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Norm, Types);

TYPED_TEST(Norm, LayerNormAndItsGradientsAreAsSpecified) { expect_as_specified<TypeParam>(true); }

TYPED_TEST(Norm, RmsNormAndItsGradientsAreAsSpecified) { expect_as_specified<TypeParam>(false); }

TYPED_TEST(Norm, StatisticsAloneAreTheSame) {
  using T = TypeParam;
  const Problem<T> q(9, 131, Data::kHostile);
  for_each_simd([&] {
    Results<T> out(q);
    layer_norm_statistics<T>(q.x, q.rows, q.cols, q.eps, out.mean, out.rstd);
    EXPECT_SAME_BITS(out.mean, want(q, true).mean);
    EXPECT_SAME_BITS(out.rstd, want(q, true).rstd);
    rms_norm_statistics<T>(q.x, q.rows, q.cols, q.eps, out.rstd);
    EXPECT_SAME_BITS(out.rstd, want(q, false).rstd);
  });
}

TYPED_TEST(Norm, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const Problem<T> q(1001, 257, Data::kRandom);
  for (const bool centred : {true, false}) {
    set_threads(1);
    const Results<T> one = got(q, centred);
    for (const std::size_t used : Sizes{2, 3, 7}) {
      set_threads(used);
      expect_same(got(q, centred), one);
    }
  }
  set_threads(before);
}

TYPED_TEST(Norm, ARowDoesNotDependOnTheOthers) {
  using T = TypeParam;
  const Problem<T> q(9, 131, Data::kRandom);
  const Results<T> all = got(q, true);
  std::vector<T> y(q.cols), mean(1), rstd(1);
  layer_norm<T>(q.x.subspan(4 * q.cols, q.cols), 1, q.cols, q.gamma, q.beta, q.eps, y, mean, rstd);
  EXPECT_SAME_BITS(y, std::span<const T>(all.y).subspan(4 * q.cols, q.cols));
}

TEST(LayerNorm, OfEqualValuesIsBeta) {
  const std::vector<float> x(10, 3.0F), gamma(10, 2.0F), beta(10, 0.5F);
  std::vector<float> y(10), mean(1), rstd(1);
  layer_norm<float>(x, 1, 10, gamma, beta, 1e-5F, y, mean, rstd);
  EXPECT_EQ(y, beta);
  EXPECT_EQ(mean[0], 3.0F);
}

}  // namespace
}  // namespace palinode::kernels
