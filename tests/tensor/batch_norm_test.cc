// Batch norm against the formulas of docs/arithmetic.md, section 6b, on every SIMD target.
#include "tensor/kernels/batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <vector>

#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

template <class T>
struct Batch {
  std::size_t rows, cols;
  std::vector<T> x = oracle::random_values<T>(rows * cols, 1);
  std::vector<T> g = oracle::random_values<T>(rows * cols, 2);
  std::vector<T> gamma = oracle::random_values<T>(cols, 3);
  std::vector<T> beta = oracle::random_values<T>(cols, 4);
};

// The column sums of f(row, column).
template <class T, class F>
std::vector<T> sums(const Batch<T>& batch, const F& f) {
  std::vector<T> terms;
  for (std::size_t i = 0; i < batch.x.size(); ++i) terms.push_back(f(i, i % batch.cols));
  return oracle::column_sums<T>(terms, batch.rows, batch.cols);
}

template <class T>
void check(const Batch<T>& t) {
  const T n = static_cast<T>(t.rows), eps = T{0.125};
  std::vector<T> mean = sums(t, [&](std::size_t i, std::size_t) { return t.x[i]; });
  for (T& value : mean) value = value / n;
  std::vector<T> variance = sums(
      t, [&](std::size_t i, std::size_t j) { return (t.x[i] - mean[j]) * (t.x[i] - mean[j]); });
  for (T& value : variance) value = value / n;
  std::vector<T> rstd(t.cols), y(t.x.size()), dx(t.x.size());
  for (std::size_t j = 0; j < t.cols; ++j) rstd[j] = 1 / std::sqrt(variance[j] + eps);
  const auto h = [&](std::size_t i, std::size_t j) { return (t.x[i] - mean[j]) * rstd[j]; };
  const std::vector<T> dgamma =
      sums(t, [&](std::size_t i, std::size_t j) { return t.g[i] * h(i, j); });
  std::vector<T> a = sums(t, [&](std::size_t i, std::size_t) { return t.g[i]; }), b = dgamma;
  for (std::size_t j = 0; j < t.cols; ++j) {
    a[j] = a[j] / n;
    b[j] = b[j] / n;
  }
  for (std::size_t i = 0; i < t.x.size(); ++i) {
    const std::size_t j = i % t.cols;
    y[i] = h(i, j) * t.gamma[j] + t.beta[j];
    dx[i] = ((t.g[i] - a[j]) - h(i, j) * b[j]) * (t.gamma[j] * rstd[j]);
  }
  for_each_simd([&] {
    std::vector<T> m(t.cols), v(t.cols), r(t.cols), dg(t.cols), out(y.size()), back(y.size());
    batch_statistics<T>(t.x, t.rows, t.cols, m, v);
    reciprocal_deviation<T>(v, eps, r);
    batch_norm<T>(t.x, t.rows, t.cols, m, r, t.gamma, t.beta, out);
    batch_norm_gamma_grad<T>(t.g, t.x, t.rows, t.cols, m, r, dg);
    batch_norm_grad<T>(t.g, t.x, t.rows, t.cols, m, r, t.gamma, a, b, back);
    EXPECT_SAME_BITS(std::span<const T>(m), std::span<const T>(mean));
    EXPECT_SAME_BITS(std::span<const T>(v), std::span<const T>(variance));
    EXPECT_SAME_BITS(std::span<const T>(dg), std::span<const T>(dgamma));
    EXPECT_SAME_BITS(std::span<const T>(out), std::span<const T>(y));
    EXPECT_SAME_BITS(std::span<const T>(back), std::span<const T>(dx));
  });
}

using Sizes = std::initializer_list<std::size_t>;

TEST(BatchNorm, IsThatOfTheSpecification) {
  for (const std::size_t rows : Sizes{1, 2, 255, 256, 257, 700}) {
    for (const std::size_t cols : Sizes{0, 1, 3, 16, 17, 65}) {
      check(Batch<float>{rows, cols});
      check(Batch<double>{rows, cols});
    }
  }
}

}  // namespace
}  // namespace palinode::kernels
