#include "tensor/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle.h"
#include "tests/support/scalar_math.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

constexpr std::size_t kSizes[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 1009};

// g times an f64 slope that is rounded once to T.
template <class T>
auto times_slope(double (*slope)(double)) {
  return [slope](T x, T g) { return g * static_cast<T>(slope(static_cast<double>(x))); };
}

template <class T>
class Elementwise : public testing::Test {
 protected:
  using Out = std::span<T>;
  using In = std::span<const T>;

  // kernel(a, b, out) against formula(a, b) for all sizes, misaligned, on every SIMD target.
  template <class Kernel, class Formula>
  static void check(const Kernel& kernel, const Formula& formula) {
    for (const std::size_t n : kSizes) {
      const std::vector<T> a = oracle::hostile_values<T>(n + 1, n, true);
      const std::vector<T> b = oracle::hostile_values<T>(n + 3, n + 99, true);
      std::vector<T> want(n);
      for (std::size_t i = 0; i < n; ++i) want[i] = formula(a[i + 1], b[i + 3]);
      for_each_simd([&] {
        std::vector<T> out(n + 2, T{7});
        kernel(In(a).subspan(1), In(b).subspan(3), Out(out).subspan(1, n));
        EXPECT_SAME_BITS(In(out).subspan(1, n), In(want));
        EXPECT_EQ(out[0], T{7});
        EXPECT_EQ(out[n + 1], T{7});
      });
    }
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Elementwise, Types);

TYPED_TEST(Elementwise, AddIsOneRoundedOperation) {
  this->check(add<TypeParam>, [](auto a, auto b) { return a + b; });
}

TYPED_TEST(Elementwise, SubIsOneRoundedOperation) {
  this->check(sub<TypeParam>, [](auto a, auto b) { return a - b; });
}

TYPED_TEST(Elementwise, MulIsOneRoundedOperation) {
  this->check(mul<TypeParam>, [](auto a, auto b) { return a * b; });
}

TYPED_TEST(Elementwise, DivIsOneRoundedOperation) {
  this->check(div<TypeParam>, [](auto a, auto b) { return a / b; });
}

TYPED_TEST(Elementwise, ScaleMultipliesByOneNumber) {
  using T = TypeParam;
  const T s = T{1} / T{3};
  this->check([s](auto x, auto, auto out) { scale<T>(x, s, out); }, [s](T x, T) { return x * s; });
}

TYPED_TEST(Elementwise, ReluKeepsPositiveValuesAndNan) {
  using T = TypeParam;
  this->check([](auto x, auto, auto out) { relu<T>(x, out); },
              [](T x, T) { return x <= 0 ? T{0} : x; });
}

TYPED_TEST(Elementwise, ReluGradFollowsTheInput) {
  this->check(relu_grad<TypeParam>, [](auto x, auto g) { return x <= 0 ? 0 : g; });
}

TYPED_TEST(Elementwise, TanhGradIsFactored) {
  this->check(tanh_grad<TypeParam>, [](auto g, auto y) { return g * ((1 - y) * (1 + y)); });
}

TYPED_TEST(Elementwise, SigmoidGradMultipliesLast) {
  this->check(sigmoid_grad<TypeParam>, [](auto g, auto y) { return g * (y * (1 - y)); });
}

TYPED_TEST(Elementwise, RsqrtGradIsThatOfItsResult) {
  using T = TypeParam;
  this->check(rsqrt_grad<T>, [](T g, T y) { return (T{-0.5} * g) * ((y * y) * y); });
}

TYPED_TEST(Elementwise, SlopesAreRoundedOnceBeforeTheyMultiply) {
  using T = TypeParam;
  this->check(gelu_grad<T>, times_slope<T>(scalar::gelu_slope));
  this->check(gelu_tanh_grad<T>, times_slope<T>(scalar::gelu_tanh_slope));
  this->check(erf_grad<T>, times_slope<T>(scalar::erf_slope));
  this->check(silu_grad<T>, times_slope<T>(scalar::silu_slope));
}

TYPED_TEST(Elementwise, GradsOfSinAndCosAreEachOther) {
  using T = TypeParam;
  this->check(sin_grad<T>, [](T x, T g) { return g * oracle::cos(x); });
  this->check(cos_grad<T>, [](T x, T g) { return -(g * oracle::sin(x)); });
}

TEST(ElementwiseSlopes, ReachTheirLimits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {kInfinity, -kInfinity, 3e38f, -3e38f};
  const std::vector<float> g(4, 1.0f);
  std::vector<float> out(4);
  for (const auto grad : {gelu_grad<float>, gelu_tanh_grad<float>, silu_grad<float>}) {
    grad(x, g, out);
    EXPECT_EQ(out, (std::vector<float>{1, 0, 1, 0}));
  }
  erf_grad<float>(x, g, out);
  EXPECT_EQ(out, (std::vector<float>(4, 0)));
}

TYPED_TEST(Elementwise, TheOutputMayBeAnInput) {
  using T = TypeParam;
  const auto a = oracle::random_values<T>(1009, 1);
  const auto b = oracle::random_values<T>(1009, 2);
  std::vector<T> want(a.size());
  mul<T>(a, b, want);
  for_each_simd([&] {
    auto out = a;
    mul<T>(out, b, out);
    EXPECT_SAME_BITS(out, want);
  });
}

TYPED_TEST(Elementwise, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const auto x = oracle::random_values<T>(100003, 1);
  const auto g = oracle::random_values<T>(100003, 2);
  std::vector<T> one(x.size());
  set_threads(1);
  gelu_tanh_grad<T>(x, g, one);
  for (const std::size_t used : Sizes{2, 3}) {
    set_threads(used);
    std::vector<T> out(x.size());
    gelu_tanh_grad<T>(x, g, out);
    EXPECT_SAME_BITS(out, one);
  }
  set_threads(before);
}

}  // namespace
}  // namespace palinode::kernels
