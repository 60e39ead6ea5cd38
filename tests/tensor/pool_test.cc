// Pooling against loops written from docs/arithmetic.md, section 2b, on every SIMD target.
#include "tensor/kernels/pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

// Calls visit(output, number in the window, place in x) for each value of each window.
template <class Visit>
void visit_windows(const PoolShape& s, const Visit& visit) {
  std::size_t output = 0;
  for (std::size_t b = 0; b < s.n; ++b) {
    for (std::size_t i = 0; i < s.h.out(); ++i) {
      for (std::size_t j = 0; j < s.w.out(); ++j) {
        for (std::size_t c = 0; c < s.c; ++c, ++output) {
          for (std::size_t number = 0; number < s.h.kernel * s.w.kernel; ++number) {
            const std::size_t line = i * s.h.stride + number / s.w.kernel - s.h.padding;
            const std::size_t column = j * s.w.stride + number % s.w.kernel - s.w.padding;
            if (line >= s.h.in || column >= s.w.in) continue;  // below 0 is far above
            visit(output, number, ((b * s.h.in + line) * s.w.in + column) * s.c + c);
          }
        }
      }
    }
  }
}

const PoolShape kShapes[] = {{2, 1, {4, 2, 2, 0, 1}, {6, 2, 2, 0, 1}},
                             {1, 17, {5, 3, 1, 1, 1}, {7, 2, 2, 0, 1}},
                             {2, 5, {6, 3, 2, 2, 1}, {5, 3, 2, 1, 1}},
                             {1, 33, {3, 3, 1, 0, 1}, {1, 1, 1, 0, 1}},
                             {0, 3, {3, 2, 1, 0, 1}, {3, 2, 1, 0, 1}}};

template <class T>
class Pool : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Pool, Types);

TYPED_TEST(Pool, MaximumIsTheFirstOfTheLargestAndItsGradientGoesThere) {
  using T = TypeParam;
  for (const PoolShape& s : kShapes) {
    std::vector<T> x = oracle::hostile_values<T>(s.n * s.h.in * s.w.in * s.c, 1, true);
    for (std::size_t i = 0; i < x.size(); i += 3) x[i] = std::round(x[i]);  // ties
    std::vector<T> y(s.outputs()), place(s.outputs(), T{-1}), dx(x.size());
    visit_windows(s, [&](std::size_t output, std::size_t number, std::size_t from) {
      const bool first = place[output] < 0;
      const bool larger = x[from] > y[output] || (x[from] != x[from] && y[output] == y[output]);
      if (!first && !larger) return;
      y[output] = x[from];
      place[output] = static_cast<T>(number);
    });
    const std::vector<T> g = oracle::random_values<T>(y.size(), 2);
    visit_windows(s, [&](std::size_t output, std::size_t number, std::size_t to) {
      if (place[output] == static_cast<T>(number)) dx[to] = dx[to] + g[output];
    });
    for_each_simd([&] {
      std::vector<T> out(y.size()), where(y.size()), back(x.size());
      max_pool<T>(s, x, out, where);
      max_pool_grad<T>(s, g, where, back);
      EXPECT_SAME_BITS(std::span<const T>(out), std::span<const T>(y));
      EXPECT_SAME_BITS(std::span<const T>(where), std::span<const T>(place));
      EXPECT_SAME_BITS(std::span<const T>(back), std::span<const T>(dx));
    });
  }
}

TYPED_TEST(Pool, MeanAddsInRowMajorOrderAndCountsPadding) {
  using T = TypeParam;
  for (const PoolShape& s : kShapes) {
    const std::vector<T> x = oracle::hostile_values<T>(s.n * s.h.in * s.w.in * s.c, 3, true);
    const T count = static_cast<T>(s.h.kernel * s.w.kernel);
    std::vector<T> y(s.outputs()), dx(x.size());
    visit_windows(s, [&](std::size_t output, std::size_t, std::size_t from) {
      y[output] = y[output] + x[from];
    });
    for (T& value : y) value = value / count;
    const std::vector<T> g = oracle::random_values<T>(y.size(), 4);
    visit_windows(s, [&](std::size_t output, std::size_t, std::size_t to) {
      dx[to] = dx[to] + g[output] / count;
    });
    for_each_simd([&] {
      std::vector<T> out(y.size()), back(x.size());
      avg_pool<T>(s, x, out);
      avg_pool_grad<T>(s, g, back);
      EXPECT_SAME_BITS(std::span<const T>(out), std::span<const T>(y));
      EXPECT_SAME_BITS(std::span<const T>(back), std::span<const T>(dx));
    });
  }
}

}  // namespace
}  // namespace palinode::kernels
