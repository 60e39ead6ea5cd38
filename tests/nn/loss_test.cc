#include "nn/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/golden.h"

namespace palinode::nn {
namespace {

TEST(Loss, KlDivergenceIsThatOfPyTorch) {
  const SafetensorsFile file = golden::read("ops.safetensors");
  for (const char* name : {"kl_div/0", "kl_div/1"}) {
    const golden::Case golden(file, name);
    Tape tape;
    const Var p = tape.variable(golden.tensor("p"));
    const Var q = tape.variable(golden.tensor("q"));
    const Var y = kl_divergence(p, q);
    golden::expect_near(y.value(), golden.tensor("y"), 1e-12, name);
    const Gradients gradients = tape.backward(y, golden.tensor("dy"));
    golden::expect_near(gradients.at(p), golden.tensor("dp"), 1e-12, name);
    golden::expect_near(gradients.at(q), golden.tensor("dq"), 1e-12, name);
  }
}

TEST(Loss, TheEntropyOfEqualLogitsIsTheLogarithmOfTheirNumber) {
  Tape tape;
  const Var logits = tape.constant(Tensor::full<double>({3, 8}, 2.5));
  EXPECT_NEAR(entropy(logits).value().item(), std::log(8.0), 1e-14);
}

TEST(Loss, APolicyGradientRaisesWhatWasRewarded) {
  const std::vector<std::int32_t> actions = {2, 0};
  const std::vector<double> advantages = {1.5, -0.5};
  Tape tape;
  const Var logits = tape.variable(Tensor::zeros({2, 4}, Dtype::kF64));
  const Var loss = policy_gradient(logits, Tensor::from<std::int32_t>(actions, {2}),
                                   Tensor::from<double>(advantages, {2}), 0.1);
  EXPECT_NEAR(loss.value().item(), 0.5 * std::log(4.0) - 0.1 * std::log(4.0), 1e-14);
  const Tensor gradient = backward(loss).at(logits);
  // advantages[i] / 2 * (p - 1 at the action); the entropy of equal logits has no slope.
  EXPECT_NEAR(gradient.values<double>()[2], 1.5 / 2 * (0.25 - 1), 1e-14);
  EXPECT_NEAR(gradient.values<double>()[0], 1.5 / 2 * 0.25, 1e-14);
  EXPECT_NEAR(gradient.values<double>()[4], -0.5 / 2 * (0.25 - 1), 1e-14);
}

}  // namespace
}  // namespace palinode::nn
