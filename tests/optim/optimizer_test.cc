#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::optim {
namespace {

struct OptimizerTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& state = ledger.open("state", Role::kOptimizer);
  OptimizerTest() {
    ledger.commit(
        {.proposer = "test", .writes = {{&theta, "w", Tensor::full<double>({2}, 3.0), true}}});
  }
  double w() const { return theta.at("w").values<double>()[0]; }

  // Gradients of sum(w * w): 2 w.
  Gradients gradients() const {
    Tape tape;
    const Var x = tape.parameter(theta, "w");
    return backward(sum(mul(x, x)));
  }
};

TEST_F(OptimizerTest, SgdTakesTheStepOfItsFormula) {
  const Sgd sgd(state, theta, {.lr = 0.1});
  ledger.commit(sgd.propose(gradients()));
  EXPECT_DOUBLE_EQ(w(), 3 - 0.1 * 6);
}

TEST_F(OptimizerTest, MomentumAccumulates) {
  const Sgd sgd(state, theta, {.lr = 0.1, .momentum = 0.9});
  ledger.commit(sgd.propose(gradients()));  // v = 6, w = 2.4
  ledger.commit(sgd.propose(gradients()));  // v = 0.9 * 6 + 4.8
  EXPECT_NEAR(w(), 2.4 - 0.1 * (0.9 * 6 + 4.8), 1e-15);
}

TEST_F(OptimizerTest, AdamFollowsKingmaAndBa) {
  const Adam adam(state, theta, {.lr = 0.01});
  double x = 3, m = 0, v = 0;
  for (int t = 1; t <= 10; ++t) {
    ledger.commit(adam.propose(gradients()));
    const double g = 2 * x;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    x -= 0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    EXPECT_NEAR(w(), x, 1e-13) << "step " << t;
  }
}

TEST_F(OptimizerTest, AdamWDecaysTheWeightBesideTheMoments) {
  const AdamW adamw(state, theta, {{.lr = 0.01}, 0.1});
  double x = 3, m = 0, v = 0;
  for (int t = 1; t <= 10; ++t) {
    ledger.commit(adamw.propose(gradients()));
    const double g = 2 * x;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    x -= 0.01 * 0.1 * x;
    x -= 0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    EXPECT_NEAR(w(), x, 1e-13) << "step " << t;
  }
}

TEST_F(OptimizerTest, NesterovIsThatOfPyTorch) {
  const Sgd sgd(state, theta, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
  double x = 3, v = 0;
  for (int t = 1; t <= 10; ++t) {
    ledger.commit(sgd.propose(gradients()));
    const double g = 2 * x + 0.01 * x;
    v = 0.9 * v + g;
    x -= 0.1 * (g + 0.9 * v);
    EXPECT_NEAR(w(), x, 1e-14) << "step " << t;
  }
  EXPECT_MESSAGE(Sgd(state, theta, {.nesterov = true}), Error, "sgd: nesterov needs momentum");
}

TEST_F(OptimizerTest, RmsPropDividesByTheDeviationOfTheGradient) {
  const RmsProp rmsprop(state, theta,
                        {.lr = 0.01, .alpha = 0.9, .momentum = 0.5, .centered = true});
  double x = 3, s = 0, m = 0, v = 0;
  for (int t = 1; t <= 10; ++t) {
    ledger.commit(rmsprop.propose(gradients()));
    const double g = 2 * x;
    s = 0.9 * s + 0.1 * g * g;
    m = 0.9 * m + 0.1 * g;
    v = 0.5 * v + g / (std::sqrt(s - m * m) + 1e-8);
    x -= 0.01 * v;
    EXPECT_NEAR(w(), x, 1e-13) << "step " << t;
  }
  EXPECT_EQ(state.entries().size(), 4U);  // step, s/w, m/w, v/w
}

TEST_F(OptimizerTest, AGradientOfAnotherShapeIsRefused) {
  const Sgd sgd(state, theta, {.lr = 0.1, .momentum = 0.9});
  Proposal bad = sgd.propose(gradients());
  bad.steps[0].gradient = Tensor::full<double>({3}, 1.0);
  EXPECT_MESSAGE(
      ledger.commit(bad), ShapeError,
      "commit: theta/w is f64 [2], the gradient is f64 [3]; proposed by sgd.theta, step 1");
  bad.steps[0].gradient = Tensor::full<float>({2}, 1.0F);
  EXPECT_THROW(ledger.commit(bad), DtypeError);
  EXPECT_EQ(w(), 3.0);
}

TEST_F(OptimizerTest, AStepThatIsBadlyFormedIsRefusedByName) {
  const Tensor g = Tensor::full<double>({2}, 1.0);
  EXPECT_MESSAGE(ledger.commit({.proposer = "t", .steps = {{&theta, 7, g, &state, {}, SgdRule{}}}}),
                 NameError,
                 "commit: a step for entry 7 of theta, which has 1; proposed by t, step 0");
  EXPECT_MESSAGE(
      ledger.commit(
          {.proposer = "t", .steps = {{&theta, 0, g, &state, {}, SgdRule{.momentum = 0.9}}}}),
      NameError,
      "commit: a step for theta/w names 0 moments, its rule has 1; proposed by t, step 0");
  ledger.commit({.proposer = "t",
                 .writes = {{&state, "m/w", Tensor::full<double>({3}, 1.0), true},
                            {&state, "v/w", Tensor::full<double>({2}, 1.0), true}}});
  EXPECT_THROW(ledger.commit(Adam(state, theta, {}).propose(gradients())), ShapeError);
  EXPECT_EQ(w(), 3.0);
}

TEST_F(OptimizerTest, AStepWithoutMomentsNeedsNoState) {
  ledger.commit({.proposer = "t",
                 .steps = {{.store = &theta,
                            .gradient = Tensor::full<double>({2}, 1.0),
                            .rule = SgdRule{.lr = 0.5}}}});
  EXPECT_EQ(w(), 2.5);
}

TEST_F(OptimizerTest, AStridedGradientIsRead) {
  ledger.commit(
      {.proposer = "t", .writes = {{&theta, "square", Tensor::zeros({2, 2}, Dtype::kF64), true}}});
  const std::vector<double> values = {1, 2, 3, 4};
  ledger.commit({.proposer = "t",
                 .steps = {{.store = &theta,
                            .entry = 1,
                            .gradient = Tensor::from<double>(values, {2, 2}).transpose(),
                            .rule = SgdRule{.lr = 1}}}});
  EXPECT_EQ(theta.at("square").values<double>()[1], -3.0);
}

TEST_F(OptimizerTest, AStepTwiceIsRefused) {
  Proposal twice = Adam(state, theta, {}).propose(gradients());
  twice.steps.push_back(twice.steps[0]);
  EXPECT_THROW(ledger.commit(twice), NameError);
  EXPECT_TRUE(state.entries().empty());
}

TEST_F(OptimizerTest, ProposingWritesNothing) {
  const Adam adam(state, theta, {});
  const Sha256Digest before = fingerprint(theta);
  (void)adam.propose(gradients());
  EXPECT_EQ(fingerprint(theta), before);
  EXPECT_TRUE(state.entries().empty());
}

TEST_F(OptimizerTest, ARefusedStepLeavesMomentsAndCounterAlone) {
  const Adam adam(state, theta, {});
  ledger.commit(adam.propose(gradients()));
  const Sha256Digest weights = fingerprint(theta), moments = fingerprint(state);
  Proposal bad = adam.propose(gradients());
  bad.steps.back().gradient = Tensor::full<double>({2}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_MESSAGE(ledger.commit(bad), NonFiniteError,
                 "commit: the gradient of theta/w f64 [2] is not finite, first at element 0; "
                 "proposed by adam.theta, step 2");
  EXPECT_EQ(fingerprint(theta), weights);
  EXPECT_EQ(fingerprint(state), moments);
}

TEST_F(OptimizerTest, AGradientOfAValueThatWasWrittenSinceIsRefusedAtEveryLevel) {
  for (const auto level : {Ledger::Level::kOff, Ledger::Level::kSummary, Ledger::Level::kDigest}) {
    Ledger own(level);
    const Store& weights = own.open("theta", Role::kIdentity);
    const Store& moments = own.open("state", Role::kOptimizer);
    const Tensor two = Tensor::full<double>({2}, 3.0);
    own.commit({.proposer = "test", .writes = {{&weights, "w", two, true}}});
    const Adam adam(moments, weights, {});
    Tape tape;
    const Gradients g = backward(sum(tape.parameter(weights, "w")));
    own.commit(adam.propose(g));
    const Sha256Digest before = fingerprint(weights);
    EXPECT_MESSAGE(own.commit(adam.propose(g)), StaleReadError,
                   "commit: theta/w was read as of write 1 and has been written since (write 3): "
                   "its gradient is of another value; proposed by adam.theta, step 2");
    own.commit({.proposer = "test", .writes = {{&weights, "w", two}}});  // the same bits once more
    EXPECT_THROW(own.commit(adam.propose(g)), StaleReadError);
    EXPECT_EQ(fingerprint(weights) == before, false);
    EXPECT_EQ(adam.steps(), 1U);
  }
}

TEST_F(OptimizerTest, CannotBeBuiltOverAFrozenStore) {
  ledger.freeze(theta);
  EXPECT_MESSAGE(Adam(state, theta, {}), FrozenError,
                 "adam: theta is frozen since write 2; an optimizer cannot be built over it");
  EXPECT_THROW(Sgd(state, theta, {}), FrozenError);
}

TEST_F(OptimizerTest, BuiltBeforeTheFreezeStillCannotWrite) {
  const Adam adam(state, theta, {});
  const Gradients g = gradients();
  ledger.freeze(theta);
  EXPECT_THROW(ledger.commit(adam.propose(g)), FrozenError);
  EXPECT_TRUE(state.entries().empty());
}

TEST_F(OptimizerTest, NeedsAStateStoreOfItsOwnRole) {
  EXPECT_MESSAGE(
      Sgd(theta, theta, {}), NameError,
      "sgd: its state needs a store with the role optimizer, theta has the role identity");
}

TEST_F(OptimizerTest, NamesTheParameterWithoutAGradient) {
  ledger.commit(
      {.proposer = "test", .writes = {{&theta, "extra", Tensor::full<double>({2}, 1.0), true}}});
  EXPECT_MESSAGE(Sgd(state, theta, {}).propose(gradients()), NameError,
                 "sgd: no gradient for theta/extra");
}

}  // namespace
}  // namespace palinode::optim
