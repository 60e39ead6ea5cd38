// The small form of the determinism matrix's controls (tests/matrix/run): a product whose steps
// were rounded twice would have other bits.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "autograd/ops.h"
#include "tensor/rng.h"
#include "tests/support/bits.h"

namespace palinode {
namespace {

constexpr std::size_t kRows = 7, kInner = 64, kCols = 5;

// a times b, with `step` in the place of fma.
std::vector<float> chain(const Tensor& a, const Tensor& b,
                         const std::function<float(float, float, float)>& step) {
  std::vector<float> c(kRows * kCols);
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kCols; ++j) {
      for (std::size_t k = 0; k < kInner; ++k) {
        float& sum = c[i * kCols + j];
        sum = step(a.values<float>()[i * kInner + k], b.values<float>()[k * kCols + j], sum);
      }
    }
  }
  return c;
}

TEST(Rounding, OfAProductIsOnceAStepAndTwiceWouldBeSeen) {
  const Tensor a = Rng(1).stream("a").normal({kRows, kInner}, Dtype::kF32);
  const Tensor b = Rng(1).stream("b").normal({kInner, kCols}, Dtype::kF32);
  const auto once = chain(a, b, [](float x, float y, float z) { return std::fma(x, y, z); });
  const auto twice = chain(a, b, [](float x, float y, float z) {
    const float product = x * y;
    return product + z;
  });
  for_each_simd([&] {
    Tape tape;
    const Tensor c = matmul(tape.constant(a), tape.constant(b)).value();
    EXPECT_SAME_BITS(c.values<float>(), once);
    EXPECT_FALSE(same_bits(c.values<float>(), twice));
  });
}

}  // namespace
}  // namespace palinode
