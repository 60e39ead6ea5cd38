#include "autograd/gradient_sum.h"

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"

namespace palinode {
namespace {

struct GradientSumTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);

  GradientSumTest() {
    write("a", true);
    write("b", true);
  }
  void write(const char* name, bool create) {
    const Tensor value = Tensor::from<float>(oracle::random_values<float>(1009, 1), {1009});
    ledger.commit({.proposer = "test", .writes = {{&theta, name, value, create}}});
  }
  // Gradients that are `g` for the parameter `name`.
  Gradients gradients(const char* name, const std::vector<float>& g) const {
    Tape tape;
    const Var x = tape.parameter(theta, name);
    const Var y = mul(x, tape.constant(Tensor::from<float>(g, {g.size()})));
    return backward(sum(y));
  }
};

TEST_F(GradientSumTest, AddsFromLeftToRightAndMultipliesOnce) {
  for (const std::size_t n : {1U, 2U, 3U, 7U}) {
    GradientSum sum;
    std::vector<float> want;
    for (std::size_t k = 0; k < n; ++k) {
      const auto g = oracle::hostile_values<float>(1009, k);
      sum.add(gradients("a", g));
      if (k == 0) want = g;
      for (std::size_t i = 0; k > 0 && i < g.size(); ++i) want[i] = want[i] + g[i];
    }
    for (float& x : want) x = x * static_cast<float>(1.0 / static_cast<double>(n));
    EXPECT_EQ(sum.count(), n);
    EXPECT_SAME_BITS(sum.mean().at(theta, "a").values<float>(), std::span<const float>(want));
  }
}

TEST_F(GradientSumTest, TakesValuesThatWereComputedElsewhere) {
  const std::vector<float> g(1009, 0.5F), h(1009, 0.25F);
  const Gradients like = gradients("a", g);
  GradientSum here, there;
  here.add(like);
  here.add(gradients("a", h));
  there.add(like);
  there.add(like, std::vector<Tensor>{Tensor::from<float>(h, {1009})});
  EXPECT_EQ(there.count(), 2U);
  EXPECT_SAME_BITS(there.mean().at(theta, "a").values<float>(),
                   here.mean().at(theta, "a").values<float>());
  EXPECT_MESSAGE(there.add(like, {}), ShapeError, "gradient sum: expected 1 values, got 0");
  EXPECT_MESSAGE(there.add(like, std::vector<Tensor>{Tensor::full<float>({3}, 0)}), ShapeError,
                 "gradient sum: theta/a: expected f32 [1009], got f32 [3]");
  EXPECT_EQ(there.count(), 2U);
}

TEST_F(GradientSumTest, TheOrderOfTheMicroBatchesIsPartOfTheResult) {
  const auto mean = [&](float x, float y, float z) {
    GradientSum sum;
    for (const float g : {x, y, z}) sum.add(gradients("a", std::vector<float>(1009, g)));
    return sum.mean().at(theta, "a").values<float>()[0];
  };
  EXPECT_NE(mean(1, 0x1p-24F, 0x1p-24F), mean(0x1p-24F, 0x1p-24F, 1));
}

TEST_F(GradientSumTest, AParameterTakesNothingFromALossThatDoesNotDependOnIt) {
  GradientSum sum;
  sum.add(gradients("a", std::vector<float>(1009, 3)));
  sum.add(gradients("b", std::vector<float>(1009, 5)));
  const Gradients mean = sum.mean();
  EXPECT_EQ(mean.at(theta, "a").values<float>()[7], 1.5F);
  EXPECT_EQ(mean.at(theta, "b").values<float>()[7], 2.5F);
}

TEST_F(GradientSumTest, CarriesTheWriteItsGradientsWereReadAtAndRefusesAnother) {
  GradientSum sum;
  const std::vector<float> ones(1009, 1);
  sum.add(gradients("a", ones));
  EXPECT_EQ(sum.mean().items()[0].written, 1U);
  write("a", false);
  EXPECT_MESSAGE(sum.add(gradients("a", ones)), StaleReadError,
                 "gradient sum: theta/a was read as of write 3 and, for the gradients before, of "
                 "write 1");
  EXPECT_EQ(sum.count(), 1U);
  EXPECT_MESSAGE(GradientSum().mean(), Error, "gradient sum: the mean of no gradients");
}

}  // namespace
}  // namespace palinode
