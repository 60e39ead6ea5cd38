#include "tensor/kernels/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

TEST(RopeAngles, AreThoseOfTheirDefinition) {
  for (const double base : {10000.0, 500000.0, 2.0}) {
    for (const std::size_t head_dim : Sizes{2, 6, 32, 128}) {
      const std::size_t positions = 19, half = head_dim / 2;
      std::vector<double> want_cos, want_sin;
      for (std::size_t at = 0; at < positions * half; ++at) {
        const double share = static_cast<double>(2 * (at % half)) / static_cast<double>(head_dim);
        const double t =
            static_cast<double>(at / half) * oracle::exp(0 - share * oracle::log(base));
        want_cos.push_back(oracle::cos(t));
        want_sin.push_back(oracle::sin(t));
        const long double exact = static_cast<long double>(at / half) *
                                  std::pow(static_cast<long double>(base), -share * 1.0L);
        EXPECT_NEAR(want_cos.back(), static_cast<double>(std::cos(exact)), 1e-14);
      }
      for_each_simd([&] {
        std::vector<double> cos(want_cos.size()), sin(cos.size());
        rope_angles(positions, head_dim, base, cos, sin);
        EXPECT_SAME_BITS(cos, want_cos);
        EXPECT_SAME_BITS(sin, want_sin);
      });
    }
  }
}

template <class T>
class Rope : public testing::Test {};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Rope, Types);

template <class T>
std::vector<T> by_definition(const RopeShape& s, const std::vector<T>& x, const std::vector<T>& cos,
                             const std::vector<T>& sin, bool backwards) {
  std::vector<T> y = x;
  const std::size_t half = s.head_dim / 2;
  for (std::size_t r = 0; r < s.rows; ++r) {
    for (std::size_t pair = 0; pair < s.heads * half; ++pair) {
      const std::size_t i = pair % half, head = r * s.cols + pair / half * s.head_dim;
      const std::size_t a = head + (s.interleaved ? 2 * i : i);
      const std::size_t b = s.interleaved ? a + 1 : a + half;
      const T c = cos[r % s.time * half + i];
      const T sine = (backwards ? -1 : 1) * sin[r % s.time * half + i];
      const T ac = x[a] * c, bs = x[b] * sine, bc = x[b] * c, as = x[a] * sine;
      y[a] = ac - bs;
      y[b] = bc + as;
    }
  }
  return y;
}

TYPED_TEST(Rope, TurnsEveryPairOfEveryHead) {
  using T = TypeParam;
  for (const std::size_t head_dim : Sizes{2, 6, 32, 34, 66}) {
    for (const bool interleaved : {false, true}) {
      for (const bool backwards : {false, true}) {
        const RopeShape s{.rows = 10,
                          .cols = 3 * head_dim + 5,
                          .time = 5,
                          .heads = 3,
                          .head_dim = head_dim,
                          .interleaved = interleaved};
        const auto x = oracle::hostile_values<T>(s.rows * s.cols, head_dim, true);
        const auto cos = oracle::random_values<T>(s.time * head_dim / 2, 1);
        const auto sin = oracle::random_values<T>(s.time * head_dim / 2, 2);
        const std::vector<T> want = by_definition(s, x, cos, sin, backwards);
        for_each_simd([&] {
          std::vector<T> out(x.size());
          rope<T>(s, x, cos, sin, backwards, out);
          EXPECT_SAME_BITS(out, want) << head_dim << (interleaved ? " interleaved" : "");
        });
      }
    }
  }
}

TYPED_TEST(Rope, LeavesPositionZeroAlone) {
  using T = TypeParam;
  const auto x = oracle::random_values<T>(8, 1);
  std::vector<double> cos(4), sin(4);
  rope_angles(1, 8, 10000, cos, sin);
  std::vector<T> out(8);
  rope<T>({1, 8, 1, 1, 8, false}, x, std::vector<T>(cos.begin(), cos.end()),
          std::vector<T>(sin.begin(), sin.end()), false, out);
  EXPECT_SAME_BITS(out, x);
}

TYPED_TEST(Rope, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const RopeShape s{.rows = 1026, .cols = 100, .time = 171, .heads = 3, .head_dim = 32};
  const auto x = oracle::random_values<T>(s.rows * s.cols, 1);
  const auto angles = oracle::random_values<T>(s.time * 16, 2);
  std::vector<T> one(x.size());
  set_threads(1);
  rope<T>(s, x, angles, angles, false, one);
  for (const std::size_t used : Sizes{2, 3, 7}) {
    set_threads(used);
    std::vector<T> out(x.size());
    rope<T>(s, x, angles, angles, false, out);
    EXPECT_SAME_BITS(out, one);
  }
  set_threads(before);
}

}  // namespace
}  // namespace palinode::kernels
