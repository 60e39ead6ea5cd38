#include "rbl/diagnostics/overshoot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// Two classes, one row: the label's logit stands this far above the other.
LabeledOutputs set_of(double identity, double recovered) {
  const auto logits = [](double x) {
    return Tensor::from<double>(std::vector<double>{x, 0}, {1, 2});
  };
  return {logits(identity), logits(recovered), Tensor::full<std::int32_t>({1}, 0)};
}

double loss(double margin) { return std::log1p(std::exp(-margin)); }

TEST(Overshoot, OfAnExactRollbackIsNothing) {
  const Overshoot found = overshoot(set_of(1, 1), set_of(2, 2));
  EXPECT_EQ(found.undoing, Undoing::kExact);
  EXPECT_EQ(found.membership, 0);
}

TEST(Overshoot, TellsTooLittleFromTooMuch) {
  const Overshoot little = overshoot(set_of(1, 3), set_of(1, 1.5));
  EXPECT_EQ(little.undoing, Undoing::kTooLittle);
  EXPECT_NEAR(little.adaptation_change, loss(3) - loss(1), 1e-15);
  EXPECT_NEAR(little.membership, loss(3) - loss(1.5), 1e-15);
  const Overshoot much = overshoot(set_of(1, -3), set_of(1, 1));
  EXPECT_EQ(much.undoing, Undoing::kTooMuch);
  EXPECT_GT(much.membership, 2);
  EXPECT_EQ(overshoot(set_of(1, 0.99), set_of(1, 1), 0.1).undoing, Undoing::kExact);
}

TEST(Overshoot, RefusesLabelsThatDoNotFit) {
  LabeledOutputs bad = set_of(1, 1);
  bad.labels = Tensor::full<std::int32_t>({1}, 2);
  EXPECT_THROW(overshoot(bad, set_of(1, 1)), ShapeError);
  bad.labels = Tensor::full<std::int32_t>({2}, 0);
  EXPECT_THROW(overshoot(bad, set_of(1, 1)), ShapeError);
}

}  // namespace
}  // namespace palinode::rbl
