// The f32 forms of the transcendental kernels are correctly rounded.
//
// PALINODE_EXHAUSTIVE=1 checks all 2^32 inputs of each.
#include <gtest/gtest.h>
#include <mpfr.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tensor/simd.h"
#include "tests/support/functions.h"

namespace palinode::kernels {
namespace {

constexpr std::uint64_t kInputs = std::uint64_t{1} << 32;

bool same(float a, float b) {
  return (a != a && b != b) || std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// Counts wrong results among the inputs with bits first, first + stride, ... below end.
std::uint64_t misrounded(const Function& function, std::uint64_t first, std::uint64_t end,
                         std::uint64_t stride) {
  constexpr std::size_t kBlock = 4096;
  std::vector<float> x(kBlock);
  std::vector<float> y(kBlock);
  std::uint64_t wrong = 0;
  while (first < end) {
    std::size_t count = 0;
    for (; count < kBlock && first < end; ++count, first += stride) {
      x[count] = std::bit_cast<float>(static_cast<std::uint32_t>(first));
    }
    function.f32(std::span<const float>(x).first(count), std::span<float>(y).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      if (!same(y[i], nearest_float(function, x[i]))) ++wrong;
    }
  }
  mpfr_free_cache();
  return wrong;
}

class Rounding : public testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(Functions, Rounding, testing::ValuesIn(functions()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(Rounding, IsCorrectOnASample) { EXPECT_EQ(misrounded(GetParam(), 0, kInputs, 509), 0u); }

TEST_P(Rounding, IsCorrectEverywhere) {
  if (std::getenv("PALINODE_EXHAUSTIVE") == nullptr) GTEST_SKIP() << "PALINODE_EXHAUSTIVE not set";
  // Of every 2^20 inputs each thread takes one half, since some ranges take longer than others.
  const auto half = [&](std::uint64_t which, std::uint64_t& wrong) {
    constexpr std::uint64_t kPart = std::uint64_t{1} << 19;
    for (std::uint64_t begin = which * kPart; begin < kInputs; begin += 2 * kPart) {
      wrong += misrounded(GetParam(), begin, begin + kPart, 1);
    }
  };
  std::uint64_t even = 0;
  std::uint64_t odd = 0;
  std::thread other([&] { half(1, odd); });
  half(0, even);
  other.join();
  EXPECT_EQ(even + odd, 0u);
}

// Of all inputs of exp those whose results lie nearest to the middle of two f32, nearer than the
// short way of the kernel can tell.
TEST(RoundingOfExp, IsCorrectNextToAMiddleOnEveryTarget) {
  const Simd usual = active_simd();
  const Function exp = function_named("exp");
  const std::vector<float> x(16, std::bit_cast<float>(0x4288942bU)),
      z(16, std::bit_cast<float>(0xc16912cdU));
  for (const Simd simd : available_simd()) {
    use_simd(simd);
    for (const std::vector<float>& inputs : {x, z}) {
      std::vector<float> y(inputs.size());
      exp.f32(inputs, y);
      EXPECT_EQ(y, std::vector<float>(inputs.size(), nearest_float(exp, inputs[0])))
          << simd_name(simd) << " " << inputs[0];
    }
  }
  use_simd(usual);
}

TEST(RoundingControl, TheSampleFindsAFunctionThatIsNotCorrectlyRounded) {
  Function control = function_named("exp");
  control.f32 = [](std::span<const float> x, std::span<float> out) {
    for (std::size_t i = 0; i < x.size(); ++i) out[i] = std::exp(x[i] / 2) * std::exp(x[i] / 2);
  };
  EXPECT_GT(misrounded(control, 0, kInputs, 100003), 100u);
}

// Half an ulp and a little more: a result that is rounded twice.
TEST(RoundingControl, TheSampleFindsASecondRounding) {
  Function control = function_named("gelu");
  control.f32 = [](std::span<const float> x, std::span<float> out) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      out[i] = x[i] * std::erfc(static_cast<float>(-M_SQRT1_2) * x[i]) / 2;
    }
  };
  EXPECT_GT(misrounded(control, 0, kInputs, 100003), 100u);
}

}  // namespace
}  // namespace palinode::kernels
