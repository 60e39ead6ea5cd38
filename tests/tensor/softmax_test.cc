#include "tensor/kernels/softmax.h"

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

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

// What section 6 names for one row.
template <class T>
struct Row {
  explicit Row(std::span<const T> x) {
    const T m = oracle::max(x);
    for (const T value : x) {
      d.push_back(value - m);
      e.push_back(oracle::exp(d.back()));
    }
    s = oracle::sum(std::span<const T>(e));
    log_s = oracle::log(s);
  }

  std::vector<T> d, e;
  T s = 0;
  T log_s = 0;
};

template <class T>
struct Problem {
  Problem(std::size_t rows_, std::size_t cols_, bool hostile) : rows(rows_), cols(cols_) {
    x = oracle::random_values<T>(rows * cols, cols);
    for (T& value : x) value *= 5;
    if (hostile) x = oracle::hostile_values<T>(rows * cols, cols, true);
    g = oracle::random_values<T>(rows * cols, cols + 1);
    r = oracle::random_values<T>(rows, cols + 2);
    for (std::size_t i = 0; i < rows; ++i)
      labels.push_back(static_cast<std::int32_t>(i * 7 % cols));
  }

  // value(row, i, j) for every place, row-major.
  template <class Value>
  std::vector<T> each(const Value& value) const {
    std::vector<T> out;
    for (std::size_t i = 0; i < rows; ++i) {
      const Row<T> row(std::span<const T>(x).subspan(i * cols, cols));
      for (std::size_t j = 0; j < cols; ++j) out.push_back(value(row, i, j));
    }
    return out;
  }

  std::size_t rows, cols;
  std::vector<T> x, g, r;
  std::vector<std::int32_t> labels;
};

template <class T>
std::vector<Problem<T>> problems() {
  std::vector<Problem<T>> all;
  for (const std::size_t cols : Sizes{1, 2, 7, 10, 17, 64, 65, 131}) {
    all.emplace_back(9, cols, false);
    all.emplace_back(9, cols, true);
  }
  all.emplace_back(2, 4097, false);
  all.emplace_back(1, 3 * 4096 + 5, false);
  return all;
}

template <class T>
class Softmax : public testing::Test {};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Softmax, Types);

TYPED_TEST(Softmax, IsExpOverSum) {
  using T = TypeParam;
  for (const auto& q : problems<T>()) {
    const auto want =
        q.each([](const Row<T>& row, std::size_t, std::size_t j) { return row.e[j] / row.s; });
    for_each_simd([&] {
      std::vector<T> out(q.x.size());
      softmax<T>(q.x, q.rows, q.cols, out);
      EXPECT_SAME_BITS(out, want) << q.cols;
    });
  }
}

// p * (g - sum(g * p)) for the first `seen` columns of a row, +0 for the others.
template <class T>
std::vector<T> softmax_grad_row(std::span<const T> g, std::span<const T> p, std::size_t seen) {
  std::vector<T> products, out(g.size());
  for (std::size_t j = 0; j < seen; ++j) products.push_back(g[j] * p[j]);
  const T total = oracle::sum(std::span<const T>(products));
  for (std::size_t j = 0; j < seen; ++j) out[j] = p[j] * (g[j] - total);
  return out;
}

TYPED_TEST(Softmax, GradUsesTheSumOfGTimesP) {
  using T = TypeParam;
  for (const auto& q : problems<T>()) {
    std::vector<T> p(q.x.size()), want;
    softmax<T>(q.x, q.rows, q.cols, p);
    for (std::size_t i = 0; i < q.rows; ++i) {
      const auto row = [&](const std::vector<T>& all) {
        return std::span<const T>(all).subspan(i * q.cols, q.cols);
      };
      for (const T value : softmax_grad_row<T>(row(q.g), row(p), q.cols)) want.push_back(value);
    }
    for_each_simd([&] {
      std::vector<T> out(p.size());
      softmax_grad<T>(q.g, p, q.rows, q.cols, out);
      EXPECT_SAME_BITS(out, want) << q.cols;
    });
  }
}

TYPED_TEST(Softmax, CausalRowsSeeNoLaterColumnWhateverItHolds) {
  using T = TypeParam;
  for (const std::size_t cols : Sizes{1, 2, 7, 17, 65}) {
    const std::size_t rows = 2 * cols + 1;
    auto x = oracle::random_values<T>(rows * cols, cols);
    const auto g = oracle::hostile_values<T>(rows * cols, cols, true);
    std::vector<T> want, want_grad;
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t seen = i % cols + 1;
      const Row<T> row(std::span<const T>(x).subspan(i * cols, seen));
      std::vector<T> p(cols);
      for (std::size_t j = 0; j < seen; ++j) p[j] = row.e[j] / row.s;
      const auto grad = softmax_grad_row<T>(std::span(g).subspan(i * cols, cols), p, seen);
      want.insert(want.end(), p.begin(), p.end());
      want_grad.insert(want_grad.end(), grad.begin(), grad.end());
      for (std::size_t j = seen; j < cols; ++j) {
        x[i * cols + j] = std::numeric_limits<T>::quiet_NaN();
      }
    }
    for_each_simd([&] {
      std::vector<T> out(x.size(), T{7}), grad(x.size(), T{7});
      causal_softmax<T>(x, rows, cols, out);
      causal_softmax_grad<T>(g, out, rows, cols, grad);
      EXPECT_SAME_BITS(out, want) << cols;
      EXPECT_SAME_BITS(grad, want_grad) << cols;
    });
  }
}

TYPED_TEST(Softmax, LogSoftmaxSubtractsTheLogOfTheSum) {
  using T = TypeParam;
  for (const auto& q : problems<T>()) {
    const auto want =
        q.each([](const Row<T>& row, std::size_t, std::size_t j) { return row.d[j] - row.log_s; });
    for_each_simd([&] {
      std::vector<T> out(q.x.size());
      log_softmax<T>(q.x, q.rows, q.cols, out);
      EXPECT_SAME_BITS(out, want) << q.cols;
    });
  }
}

TYPED_TEST(Softmax, LogSoftmaxGradUsesTheSumOfG) {
  using T = TypeParam;
  for (const auto& q : problems<T>()) {
    std::vector<T> l(q.x.size());
    log_softmax<T>(q.x, q.rows, q.cols, l);
    std::vector<T> want(l.size());
    for (std::size_t i = 0; i < l.size(); ++i) {
      const auto row = std::span<const T>(q.g).subspan(i / q.cols * q.cols, q.cols);
      want[i] = q.g[i] - oracle::exp(l[i]) * oracle::sum(row);
    }
    for_each_simd([&] {
      std::vector<T> out(l.size());
      log_softmax_grad<T>(q.g, l, q.rows, q.cols, out);
      EXPECT_SAME_BITS(out, want) << q.cols;
    });
  }
}

TYPED_TEST(Softmax, CrossEntropyOfARowIsLogSumMinusTheLabelsLogit) {
  using T = TypeParam;
  for (const auto& q : problems<T>()) {
    std::vector<T> want;
    for (std::size_t i = 0; i < q.rows; ++i) {
      const Row<T> row(std::span<const T>(q.x).subspan(i * q.cols, q.cols));
      want.push_back(row.log_s - row.d[static_cast<std::size_t>(q.labels[i])]);
    }
    for_each_simd([&] {
      std::vector<T> out(q.rows), p(q.x.size()), softmax_of_x(q.x.size());
      cross_entropy<T>(q.x, q.rows, q.cols, q.labels, out, p);
      EXPECT_SAME_BITS(out, want) << q.cols;
      softmax<T>(q.x, q.rows, q.cols, softmax_of_x);
      EXPECT_SAME_BITS(p, softmax_of_x) << q.cols;
    });
  }
}

TYPED_TEST(Softmax, CrossEntropyGradIsSoftmaxMinusTheLabel) {
  using T = TypeParam;
  for (const auto& q : problems<T>()) {
    const auto want = q.each([&](const Row<T>& row, std::size_t i, std::size_t j) {
      const T hit = static_cast<std::size_t>(q.labels[i]) == j ? T{1} : T{0};
      return (row.e[j] / row.s - hit) * q.r[i];
    });
    for_each_simd([&] {
      std::vector<T> out(q.x.size()), p(q.x.size());
      softmax<T>(q.x, q.rows, q.cols, p);
      cross_entropy_grad<T>(p, q.rows, q.cols, q.labels, q.r, out);
      EXPECT_SAME_BITS(out, want) << q.cols;
    });
  }
}

TYPED_TEST(Softmax, NoRowsGiveNothing) {
  using T = TypeParam;
  EXPECT_NO_FATAL_FAILURE(softmax<T>({}, 0, 10, {}));
}

TYPED_TEST(Softmax, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const Problem<T> q(2001, 10, false);
  std::vector<T> one(q.x.size());
  set_threads(1);
  softmax<T>(q.x, q.rows, q.cols, one);
  for (const std::size_t used : Sizes{2, 3, 7}) {
    set_threads(used);
    std::vector<T> out(q.x.size());
    softmax<T>(q.x, q.rows, q.cols, out);
    EXPECT_SAME_BITS(out, one);
  }
  set_threads(before);
}

TEST(SoftmaxDeathTest, ALabelOutsideTheClassesIsABrokenInvariant) {
  const std::vector<float> x(3);
  const std::int32_t labels[] = {3};
  float losses[1];
  std::vector<float> p(3);
  EXPECT_DEATH(cross_entropy<float>(x, 1, 3, labels, losses, p), "broken invariant");
}

}  // namespace
}  // namespace palinode::kernels
