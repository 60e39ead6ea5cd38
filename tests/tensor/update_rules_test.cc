// Nesterov, RMSProp and what comes before every rule: the formulas of docs/arithmetic.md, section
// 7, one value at a time.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "tensor/kernels/update.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

constexpr std::size_t kSizes[] = {0, 1, 2, 7, 8, 9, 16, 31, 65, 1009, 70001};

template <class T>
std::vector<T> positive(std::size_t n, std::uint64_t seed) {
  std::vector<T> x = oracle::random_values<T>(n, seed);
  for (T& each : x) each = each * each;
  return x;
}

template <class T>
class UpdateRules : public testing::Test {};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(UpdateRules, Types);

TYPED_TEST(UpdateRules, NesterovLooksAheadAlongTheNewVelocity) {
  using T = TypeParam;
  for (const std::size_t n : kSizes) {
    const SgdStep<T> step = {.lr = T{1} / T{3},
                             .momentum = T{9} / T{10},
                             .weight_decay = n % 2 == 0 ? T{0} : T{1} / T{100},
                             .nesterov = true};
    const auto g = oracle::hostile_values<T>(n, 1, true);
    const auto w = oracle::hostile_values<T>(n, 2, true);
    const auto v = oracle::hostile_values<T>(n, 3);
    std::vector<T> want_w(n), want_v(n);
    for (std::size_t i = 0; i < n; ++i) {
      const T decayed = step.weight_decay == 0 ? g[i] : g[i] + step.weight_decay * w[i];
      want_v[i] = step.momentum * v[i] + decayed;
      want_w[i] = w[i] - step.lr * (decayed + step.momentum * want_v[i]);
    }
    for_each_simd([&] {
      std::vector<T> w_out(n), v_out(n);
      sgd_momentum<T>(step, g, w, v, w_out, v_out);
      EXPECT_SAME_BITS(w_out, want_w) << n;
      EXPECT_SAME_BITS(v_out, want_v) << n;
    });
  }
}

// The whole rule for one parameter; m and v are read and written only if the rule has them.
template <class T>
void rmsprop_of_one(const RmsPropStep<T>& step, T g, T& w, T& s, T* m, T* v) {
  if (step.weight_decay != 0) g = g + step.weight_decay * w;
  s = step.alpha * s + (step.one_minus_alpha * g) * g;
  T u = s;
  if (m != nullptr) {
    *m = step.alpha * *m + step.one_minus_alpha * g;
    u = s - *m * *m;
    u = u < 0 ? T{0} : u;
  }
  T d = g / (std::sqrt(u) + step.eps);
  if (v != nullptr) d = *v = step.momentum * *v + d;
  w = w - step.lr * d;
}

template <class T>
void expect_rmsprop(std::size_t n, bool centered, bool momentum) {
  const RmsPropStep<T> step = {.lr = T{1} / T{30},
                               .alpha = static_cast<T>(0.99),
                               .one_minus_alpha = static_cast<T>(1 - 0.99),
                               .eps = static_cast<T>(1e-8),
                               .momentum = momentum ? T{9} / T{10} : T{0},
                               .weight_decay = n % 2 == 0 ? T{0} : T{1} / T{100}};
  const auto g = oracle::hostile_values<T>(n, 1, true);
  const auto w = oracle::hostile_values<T>(n, 2, true);
  const auto s = positive<T>(n, 4);
  const auto m = centered ? oracle::random_values<T>(n, 5) : std::vector<T>();
  const auto v = momentum ? oracle::hostile_values<T>(n, 6) : std::vector<T>();
  auto want_w = w, want_s = s, want_m = m, want_v = v;
  for (std::size_t i = 0; i < n; ++i) {
    rmsprop_of_one<T>(step, g[i], want_w[i], want_s[i], centered ? &want_m[i] : nullptr,
                      momentum ? &want_v[i] : nullptr);
  }
  for_each_simd([&] {
    std::vector<T> w_out(n), s_out(n), m_out(m.size()), v_out(v.size());
    rmsprop<T>(step, g, w, {s, m, v}, w_out, {s_out, m_out, v_out});
    EXPECT_SAME_BITS(w_out, want_w) << n;
    EXPECT_SAME_BITS(s_out, want_s) << n;
    EXPECT_SAME_BITS(m_out, want_m) << n;
    EXPECT_SAME_BITS(v_out, want_v) << n;
  });
}

TYPED_TEST(UpdateRules, RmsPropInAllItsForms) {
  for (const std::size_t n : kSizes) {
    for (const bool centered : {false, true}) {
      for (const bool momentum : {false, true}) expect_rmsprop<TypeParam>(n, centered, momentum);
    }
  }
}

TYPED_TEST(UpdateRules, AVarianceThatRoundingMadeNegativeCountsAsZero) {
  using T = TypeParam;
  const RmsPropStep<T> step = {.lr = 1, .alpha = 1, .one_minus_alpha = 0, .eps = T{0.5}};
  const std::vector<T> g = {1}, w = {0}, s = {1}, m = {2};
  for_each_simd([&] {
    std::vector<T> w_out(1), s_out(1), m_out(1);
    rmsprop<T>(step, g, w, {s, m, {}}, w_out, {s_out, m_out, {}});
    EXPECT_EQ(w_out[0], T{-2});
  });
}

// Of the second moment alone: the weight stands still where it is infinite. With eps = 0 zeros
// beyond the end would make NaNs.
TYPED_TEST(UpdateRules, ARuleTellsWhetherAllItWroteIsFinite) {
  using T = TypeParam;
  const AdamStep<T> step = {
      .beta1 = 0, .one_minus_beta1 = 1, .beta2 = 0, .one_minus_beta2 = 1, .a = 1, .r = 1, .eps = 0};
  const T large = std::numeric_limits<T>::max() / 2;  // its square is infinite
  std::vector<std::size_t> sizes(70);
  std::iota(sizes.begin(), sizes.end(), std::size_t{1});
  sizes.push_back(70001);
  for_each_simd([&] {
    for (const std::size_t n : sizes) {
      for (const std::size_t place : {std::size_t{0}, n / 2, n - 1, n}) {
        std::vector<T> g(n, T{1});
        const std::vector<T> ones(n, T{1});
        if (place < n) g[place] = large;
        std::vector<T> w(n), m(n), v(n);
        EXPECT_EQ(adam<T>(step, g, ones, ones, ones, w, m, v), place == n) << n << ", " << place;
        std::array<ChangeSum<T>, 3> sums;
        const std::array<ChangeSum<T>*, 3> changes = {&sums[0], &sums[1], &sums[2]};
        EXPECT_EQ(adam<T>(step, g, ones, ones, ones, w, m, v, changes), place == n) << n;
        EXPECT_TRUE(sums[0].finite() && sums[1].finite());
        EXPECT_EQ(sums[2].finite(), place == n) << n << ", " << place;
      }
    }
  });
}

TYPED_TEST(UpdateRules, AGradientIsScaledThenLimitedWhereItIsFinite) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  for (const std::size_t n : kSizes) {
    const auto g = oracle::hostile_values<T>(n, 1, true);
    for (const T scale : {T{1}, T{1} / T{3}}) {
      for (const T limit : {infinity, T{1} / T{7}, T{0}}) {
        std::vector<T> want(n);
        for (std::size_t i = 0; i < n; ++i) {
          T x = scale == 1 ? g[i] : g[i] * scale;
          if (std::isfinite(x) && x > limit) x = limit;
          if (std::isfinite(x) && x < -limit) x = -limit;
          want[i] = x;
        }
        for_each_simd([&] {
          std::vector<T> out(n);
          prepare_gradient<T>(scale, limit, g, out);
          EXPECT_SAME_BITS(out, want) << n;
        });
      }
    }
  }
}

}  // namespace
}  // namespace palinode::kernels
