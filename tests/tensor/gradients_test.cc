// The fast silu and the fast gradients against a second implementation on every SIMD target, and
// against the derivatives in f64.
#include "tensor/kernels/gradients.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "tests/support/bits.h"
#include "tests/support/fast_oracle.h"
#include "tests/support/fast_trig_oracle.h"
#include "tests/support/oracle.h"
#include "tests/support/scalar_math.h"

namespace palinode::kernels {
namespace {

using In = std::span<const float>;
using Out = std::span<float>;

constexpr std::size_t kSizes[] = {0, 1, 2, 3, 7, 8, 16, 17, 33, 1009};

// e^-z.
float exp_of_minus(float z) {
  const auto [s, t] = oracle::reduce(-z, 0);
  const float p = oracle::pow2(s, 1);
  return std::fma(p, t, p);
}

float gelu_slope(float x) {
  const float a = oracle::at_most(std::abs(x), 13);
  const float f = exp_of_minus((a * a) * 0.5f);
  const float w = 1 / (a + 2);
  const float u = w - 0x1.8p-3f;
  const float h =
      oracle::horner(u, std::array{0x1.3dbd08p+0f, 0x1.c2b2e4p-1f, -0x1.02ca8ap+1f, -0x1.48b54ep+1f,
                                   0x1.008beep+3f, 0x1.00a4e0p+2f, -0x1.3fd46ep+5f, 0x1.1e2438p+5f,
                                   0x1.f94fe4p+6f, -0x1.687a76p+8f, 0x1.22f098p+8f});
  const float p = std::fma(h, u, 0x1.2f105ap-1f);
  const float below = f * std::fma(a, -0x1.988454p-2f, p * w);
  return x < 0 ? below : 1 - below;
}

float gelu_tanh_slope(float x) {
  const float a = oracle::at_most(std::abs(x), 9.75f);
  const float q = a * a;
  const float e = exp_of_minus(a * std::fma(0x1.2444f2p-4f, q, 0x1.988454p+0f));
  const float r = a * std::fma(0x1.b6676cp-3f, q, 0x1.988454p+0f);
  const float i = 1 / (1 + e);
  const float s = e * i;
  return x < 0 ? std::fma(-(r * i), s, s) : std::fma(r * s, i, i);
}

float silu_slope(float x) {
  const float s = oracle::sigmoid_fast(x);
  return s * (1 + x * (1 - s));
}

// kernel(x, g, out) against g * slope(x), on every SIMD target, for hostile values.
template <class Kernel, class Slope>
void check(const Kernel& kernel, const Slope& slope) {
  for (const std::size_t n : kSizes) {
    std::vector<float> x = oracle::hostile_values<float>(n, n, true);
    for (std::size_t i = 0; i < n; i += 2) x[i] = oracle::random_values<float>(n, 5)[i] * 6;
    const std::vector<float> g = oracle::random_values<float>(n, n + 9);
    std::vector<float> want(n);
    for (std::size_t i = 0; i < n; ++i) want[i] = g[i] * slope(x[i]);
    for_each_simd([&] {
      std::vector<float> out(n);
      kernel(In(x), In(g), Out(out));
      EXPECT_SAME_BITS(In(out), In(want));
    });
  }
}

TEST(Gradients, OfGeluAreThoseOfTheSpecification) {
  check(gelu_grad_fast, gelu_slope);
  check(gelu_tanh_grad_fast, gelu_tanh_slope);
  check(silu_grad_fast, silu_slope);
}

TEST(Gradients, OfSinCosAndErfUseTheFastFunctions) {
  check(sin_grad_fast, oracle::cos_fast);
  check(cos_grad_fast, [](float x) { return -oracle::sin_fast(x); });
  check(erf_grad_fast, [](float x) { return 0x1.20dd76p+0f * oracle::exp_fast(0 - x * x); });
}

TEST(Gradients, FastSiluIsOneProductWithTheFastSigmoid) {
  const std::vector<float> x = oracle::random_values<float>(1009, 4);
  for_each_simd([&] {
    std::vector<float> y(x.size());
    silu_fast(x, y);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(y[i], x[i] * oracle::sigmoid_fast(x[i]));
    }
  });
}

// The largest distance of kernel(x, 1) to exact(x) for x on a fine grid and at the extremes.
double worst(void (*kernel)(In, In, Out), double (*exact)(double)) {
  std::vector<float> x;
  for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) / 10000);
  // Where a search of 135 million inputs found the largest errors of the two.
  x.push_back(0x1.6c22b4p-3f);
  x.push_back(0x1.7aa162p+0f);
  for (const float far : {1e-30f, 1e5f, 3e38f, std::numeric_limits<float>::infinity()}) {
    x.push_back(far);
    x.push_back(-far);
  }
  const std::vector<float> g(x.size(), 1);
  std::vector<float> out(x.size());
  kernel(x, g, out);
  double most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = exact(static_cast<double>(x[i]));
    most = std::max(most, std::abs(static_cast<double>(out[i]) - want));
  }
  return most;
}

TEST(Gradients, AreAsCloseAsTheirHeaderSays) {
  EXPECT_LT(worst(gelu_grad_fast, scalar::gelu_slope), 1.59e-7);
  EXPECT_LT(worst(gelu_tanh_grad_fast, scalar::gelu_tanh_slope), 2.18e-7);
}

}  // namespace
}  // namespace palinode::kernels
