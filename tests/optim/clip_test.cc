// Clipping, and gradients that are not finite.
#include "optim/clip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"

namespace palinode::optim {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct ClipTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);

  void create(const char* name, std::size_t n) {
    const Tensor value = Tensor::from<float>(oracle::random_values<float>(n, n), {n});
    ledger.commit({.proposer = "test", .writes = {{&theta, name, value, true}}});
  }

  // Gradients that are what they are told to be: those of sum(a * a_) + sum(b * b_).
  Gradients gradients(const std::vector<float>& a, const std::vector<float>& b) const {
    Tape tape;
    const Var xa = tape.parameter(theta, "a");
    const Var ya = mul(xa, tape.constant(Tensor::from<float>(a, {a.size()})));
    const Var sa = sum(ya);
    const Var xb = tape.parameter(theta, "b");
    const Var yb = mul(xb, tape.constant(Tensor::from<float>(b, {b.size()})));
    const Var sb = sum(yb);
    return backward(add(sa, sb));
  }

  std::vector<std::unique_ptr<Optimizer>> optimizers() const {
    std::vector<std::unique_ptr<Optimizer>> all;
    all.push_back(std::make_unique<Sgd>(state, theta, SgdConfig{}));
    all.push_back(
        std::make_unique<Sgd>(state, theta, SgdConfig{.momentum = 0.9, .nesterov = true}));
    all.push_back(std::make_unique<Adam>(state, theta, AdamConfig{}));
    all.push_back(
        std::make_unique<RmsProp>(state, theta, RmsPropConfig{.momentum = 0.9, .centered = true}));
    return all;
  }
};

TEST_F(ClipTest, TheGlobalNormAddsTheParametersInTheOrderOfTheStore) {
  create("b", 5003);
  create("a", 9001);
  const auto a = oracle::random_values<float>(9001, 1), b = oracle::random_values<float>(5003, 2);
  const auto squares = [](const std::vector<float>& x) {
    std::vector<double> out;
    for (const float v : x) out.push_back(static_cast<double>(v) * static_cast<double>(v));
    return oracle::sum<double>(out);
  };
  const double want = std::sqrt((0.0 + squares(b)) + squares(a));
  const Gradients g = gradients(a, b);
  for_each_simd([&] { EXPECT_EQ(global_norm(g, theta), want); });
}

TEST(Clip, TheFactorIsThatOfPyTorch) {
  EXPECT_EQ(clip_factor(4, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(clip_factor(0.5, 1), 1.0);
  EXPECT_EQ(clip_factor(1, 1), 1 / (1 + 1e-6));
  EXPECT_EQ(clip_factor(0, 1), 1.0);
}

TEST_F(ClipTest, AFactorScalesEachElementOnceAndTheLimitComesAfter) {
  create("a", 2003);
  create("b", 3);
  const auto a = oracle::random_values<float>(2003, 1);
  const Gradients g = gradients(a, {0, 0, 0});
  const double factor = clip_factor(global_norm(g, theta), 9);
  const Sgd sgd(state, theta, {.lr = 0.1});
  const auto before = theta.at("a").values<float>();
  std::vector<float> want(2003);
  for (std::size_t i = 0; i < want.size(); ++i) {
    float x = a[i] * static_cast<float>(factor);
    x = x > 0.125F ? 0.125F : x < -0.125F ? -0.125F : x;
    want[i] = before[i] - 0.1F * x;
  }
  ledger.commit(sgd.propose(g, {.scale = factor, .clip_value = 0.125}));
  EXPECT_SAME_BITS(theta.at("a").values<float>(), want);
}

TEST_F(ClipTest, AGradientThatIsNotFiniteChangesNothingWhateverTheOptimizer) {
  create("a", 1500);
  create("b", 3);
  for (const auto& optimizer : optimizers()) {
    ledger.commit(optimizer->propose(gradients(std::vector<float>(1500, 1), {1, 2, 3})));
  }
  const Sha256Digest weights = fingerprint(theta), moments = fingerprint(state);
  const Sha256Digest head = ledger.head();
  const std::uint64_t sequence = ledger.sequence();
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    for (const std::size_t place : {0U, 1U, 1023U, 1024U, 1499U}) {
      std::vector<float> a(1500, 1);
      a[place] = static_cast<float>(bad);
      a.back() = static_cast<float>(bad);
      const Gradients g = gradients(a, {1, 2, 3});
      for (const auto& optimizer : optimizers()) {
        const std::uint64_t step = optimizer->steps();
        for (const StepOptions& options :
             {StepOptions{}, {.scale = 0.5}, {.clip_value = 1}, {.scale = 0, .clip_value = 1}}) {
          EXPECT_THROW(ledger.commit(optimizer->propose(g, options)), NonFiniteError);
        }
        EXPECT_EQ(optimizer->steps(), step);
      }
    }
  }
  EXPECT_EQ(fingerprint(theta), weights);
  EXPECT_EQ(fingerprint(state), moments);
  EXPECT_EQ(ledger.head(), head);
  EXPECT_EQ(ledger.sequence(), sequence);
}

TEST_F(ClipTest, NamesTheGradientAndItsFirstBadElement) {
  create("a", 2);
  create("b", 5);
  const auto inf = static_cast<float>(kInfinity);
  const Gradients g = gradients({1, 2}, {0, 0, 0, inf, inf});
  EXPECT_MESSAGE(
      ledger.commit(Adam(state, theta, {}).propose(g, {.clip_value = 1})), NonFiniteError,
      "commit: the gradient of theta/b f32 [5] is not finite, first at element 3; proposed by "
      "adam.theta, step 1");
  EXPECT_MESSAGE(global_norm(g, theta), NonFiniteError,
                 "global norm: the gradient of theta/b f32 [5] is not finite, first at element 3");
  EXPECT_TRUE(state.entries().empty());
}

TEST_F(ClipTest, ANormBeyondF64IsRefused) {
  ledger.commit(
      {.proposer = "test", .writes = {{&theta, "w", Tensor::scalar(1, Dtype::kF64), true}}});
  Tape tape;
  const Gradients g = backward(scale(tape.parameter(theta, "w"), 1e200));
  EXPECT_MESSAGE(global_norm(g, theta), NonFiniteError,
                 "global norm: the squares of the gradients of theta sum to more than f64 holds");
}

}  // namespace
}  // namespace palinode::optim
