#include "tensor/kernels/update.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

constexpr std::size_t kSizes[] = {0, 1, 2, 7, 8, 9, 16, 31, 65, 1009, 70001};

// Gradients, weights and moments of n parameters.
template <class T>
struct Parameters {
  explicit Parameters(std::size_t n)
      : g(oracle::hostile_values<T>(n, 1, true)),
        w(oracle::hostile_values<T>(n, 2, true)),
        m(oracle::hostile_values<T>(n, 3)),
        v(oracle::random_values<T>(n, 4)) {
    for (T& x : v) x = x * x;
  }

  std::vector<T> g, w, m, v;
};

template <class T>
class Update : public testing::Test {};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Update, Types);

TYPED_TEST(Update, SgdSubtractsTheScaledGradient) {
  using T = TypeParam;
  for (const T decay : {T{0}, T{0.0625f} / T{3}}) {
    const SgdStep<T> step = {.lr = T{1} / T{3}, .momentum = T{0}, .weight_decay = decay};
    for (const std::size_t n : kSizes) {
      const Parameters<T> p(n);
      std::vector<T> want(n);
      for (std::size_t i = 0; i < n; ++i) {
        const T g = decay == 0 ? p.g[i] : p.g[i] + decay * p.w[i];
        want[i] = p.w[i] - step.lr * g;
      }
      for_each_simd([&] {
        std::vector<T> w(n);
        sgd<T>(step, p.g, p.w, w);
        EXPECT_SAME_BITS(w, want) << n;
      });
    }
  }
}

TYPED_TEST(Update, MomentumKeepsAVelocity) {
  using T = TypeParam;
  for (const T decay : {T{0}, T{1} / T{100}}) {
    const SgdStep<T> step = {.lr = T{1} / T{3}, .momentum = T{9} / T{10}, .weight_decay = decay};
    for (const std::size_t n : kSizes) {
      const Parameters<T> p(n);
      std::vector<T> want_w(n);
      std::vector<T> want_v(n);
      for (std::size_t i = 0; i < n; ++i) {
        const T g = decay == 0 ? p.g[i] : p.g[i] + decay * p.w[i];
        want_v[i] = step.momentum * p.m[i] + g;
        want_w[i] = p.w[i] - step.lr * want_v[i];
      }
      for_each_simd([&] {
        std::vector<T> w(n);
        std::vector<T> v(n);
        sgd_momentum<T>(step, p.g, p.w, p.m, w, v);
        EXPECT_SAME_BITS(w, want_w) << n;
        EXPECT_SAME_BITS(v, want_v) << n;
      });
    }
  }
}

TYPED_TEST(Update, AdamFollowsTheFormula) {
  using T = TypeParam;
  AdamStep<T> step = {.beta1 = static_cast<T>(0.9),
                      .one_minus_beta1 = static_cast<T>(1 - 0.9),
                      .beta2 = static_cast<T>(0.999),
                      .one_minus_beta2 = static_cast<T>(1 - 0.999),
                      .a = static_cast<T>(1e-3 / (1 - power(0.9, 3))),
                      .r = static_cast<T>(1 / std::sqrt(1 - power(0.999, 3))),
                      .eps = static_cast<T>(1e-8)};
  for (const std::size_t n : kSizes) {
    step.decay = n % 2 == 0 ? T{0} : static_cast<T>(0.01);  // AdamW
    const Parameters<T> p(n);
    std::vector<T> want_w(n);
    std::vector<T> want_m(n);
    std::vector<T> want_v(n);
    for (std::size_t i = 0; i < n; ++i) {
      want_m[i] = step.beta1 * p.m[i] + step.one_minus_beta1 * p.g[i];
      want_v[i] = step.beta2 * p.v[i] + (step.one_minus_beta2 * p.g[i]) * p.g[i];
      const T root = std::sqrt(want_v[i]) * step.r + step.eps;
      const T decayed = step.decay == 0 ? p.w[i] : p.w[i] - step.decay * p.w[i];
      want_w[i] = decayed - step.a * (want_m[i] / root);
    }
    for_each_simd([&] {
      std::vector<T> w(n);
      std::vector<T> m(n);
      std::vector<T> v(n);
      adam<T>(step, p.g, p.w, p.m, p.v, w, m, v);
      EXPECT_SAME_BITS(w, want_w) << n;
      EXPECT_SAME_BITS(m, want_m) << n;
      EXPECT_SAME_BITS(v, want_v) << n;
    });
  }
}

TYPED_TEST(Update, OutputsMayReplaceTheirInputs) {
  using T = TypeParam;
  const SgdStep<T> step = {.lr = T{1} / T{3}, .momentum = T{9} / T{10}, .weight_decay = T{0}};
  const Parameters<T> p(1009);
  std::vector<T> want_w(1009);
  std::vector<T> want_v(1009);
  sgd_momentum<T>(step, p.g, p.w, p.m, want_w, want_v);
  auto w = p.w;
  auto v = p.m;
  sgd_momentum<T>(step, p.g, w, v, w, v);
  EXPECT_SAME_BITS(w, want_w);
  EXPECT_SAME_BITS(v, want_v);
}

TYPED_TEST(Update, EveryAlignmentGivesTheSameBits) {
  using T = TypeParam;
  const AdamStep<T> step = {.beta1 = static_cast<T>(0.9),
                            .one_minus_beta1 = static_cast<T>(0.1),
                            .beta2 = static_cast<T>(0.99),
                            .one_minus_beta2 = static_cast<T>(0.01),
                            .a = static_cast<T>(0.1),
                            .r = static_cast<T>(0.5),
                            .eps = static_cast<T>(1e-8)};
  const std::size_t n = 131;
  const Parameters<T> p(n);
  std::vector<T> want_w(n), want_m(n), want_v(n);
  adam<T>(step, p.g, p.w, p.m, p.v, want_w, want_m, want_v);
  for (std::size_t shift = 0; shift < 17; ++shift) {
    const auto moved = [&](const std::vector<T>& x) {
      std::vector<T> out(shift, T{7});
      out.insert(out.end(), x.begin(), x.end());
      return out;
    };
    const auto g = moved(p.g), old_w = moved(p.w), old_m = moved(p.m), old_v = moved(p.v);
    for_each_simd([&] {
      std::vector<T> w(n + shift), m(n + shift), v(n + shift);
      const auto in = [&](const std::vector<T>& x) { return std::span<const T>(x).subspan(shift); };
      adam<T>(step, in(g), in(old_w), in(old_m), in(old_v), std::span<T>(w).subspan(shift),
              std::span<T>(m).subspan(shift), std::span<T>(v).subspan(shift));
      EXPECT_SAME_BITS(in(w), std::span<const T>(want_w)) << shift;
      EXPECT_SAME_BITS(in(m), std::span<const T>(want_m)) << shift;
      EXPECT_SAME_BITS(in(v), std::span<const T>(want_v)) << shift;
    });
  }
}

TYPED_TEST(Update, AxpyRoundsTwice) {
  using T = TypeParam;
  const T s = T{1} / T{7};
  for (const std::size_t n : kSizes) {
    const Parameters<T> p(n);
    std::vector<T> want(n);
    for (std::size_t i = 0; i < n; ++i) want[i] = p.w[i] + s * p.g[i];
    for_each_simd([&] {
      std::vector<T> out(n);
      axpy<T>(s, p.g, p.w, out);
      EXPECT_SAME_BITS(out, want) << n;
    });
  }
}

TEST(Power, MultipliesBySquaring) {
  const double b = 0.9;
  const double squared = b * b;
  const double fourth = squared * squared;
  EXPECT_EQ(power(b, 0), 1.0);
  EXPECT_EQ(power(b, 1), b);
  EXPECT_EQ(power(b, 2), squared);
  EXPECT_EQ(power(b, 7), (b * squared) * fourth);
}

}  // namespace
}  // namespace palinode::kernels
