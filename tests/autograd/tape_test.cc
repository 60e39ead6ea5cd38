#include "autograd/tape.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/ledger.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

struct TapeTest : testing::Test {
  Ledger ledger;
  const Store& store = ledger.open("theta", Role::kIdentity);
  TapeTest() {
    ledger.commit({.proposer = "test",
                   .writes = {{&store, "x", Tensor::full<double>({3}, 2.0), true},
                              {&store, "unused", Tensor::full<double>({3}, 2.0), true}}});
  }
};

TEST_F(TapeTest, AddsTheContributionsOfAValueUsedTwice) {
  Tape tape;
  const Var x = tape.parameter(store, "x");
  const Gradients g = backward(sum(add(mul(x, x), x)));  // x^2 + x
  EXPECT_EQ(g.at(store, "x").values<double>()[0], 5.0);
}

TEST_F(TapeTest, ReadsAParameterOnce) {
  Tape tape;
  tape.parameter(store, "x");
  tape.parameter(store, "x");
  EXPECT_EQ(tape.size(), 1U);
}

TEST_F(TapeTest, FindsAParameterByItsNameInWhateverOrder) {
  ledger.commit({.proposer = "test",
                 .writes = {{&store, "y", Tensor::full<double>({1}, 3.0), true},
                            {&store, "z", Tensor::full<double>({1}, 4.0), true}}});
  Tape tape;
  for (const char* name : {"z", "x", "unused", "z", "y", "x", "y"}) {
    const Tape::Node& node = tape.node(tape.parameter(store, name).node());
    EXPECT_EQ(store.entries()[node.entry].name, name);
    EXPECT_EQ(xxh3(node.value), xxh3(store.at(name)));
  }
  EXPECT_EQ(tape.size(), 4U);
}

TEST_F(TapeTest, ReadsParametersThatAreYoungerThanTheTape) {
  Tape tape;
  tape.parameter(store, "x");
  Proposal younger{.proposer = "test"};
  for (int i = 0; i < 100; ++i) {
    younger.writes.push_back({&store, "younger." + std::to_string(i), Tensor::scalar(i), true});
  }
  ledger.commit(younger);
  for (int twice = 0; twice < 2; ++twice) {
    for (std::size_t i = 0; i < 100; ++i) {
      const Var y = tape.parameter(store, "younger." + std::to_string(i));
      EXPECT_EQ(y.value().item(), static_cast<double>(i));
      EXPECT_EQ(y.node(), 1 + i);
    }
  }
}

TEST_F(TapeTest, KeepsValuesWhereTheyAre) {
  Tape tape;
  const Tensor& first = tape.parameter(store, "x").value();
  for (int i = 0; i < 1000; ++i) tape.constant(Tensor::scalar(i));
  EXPECT_EQ(&tape.parameter(store, "x").value(), &first);
}

TEST_F(TapeTest, KeepsNoAttributesForAnOpThatIsGivenNone) {
  Tape tape;
  const Var x = tape.parameter(store, "x");
  EXPECT_EQ(tape.node(scale(x, 3.0).node()).attrs().factor, 3.0);
  EXPECT_NE(tape.node(scale(x, 3.0).node()).own_attrs, nullptr);
  EXPECT_EQ(tape.node(add(x, x).node()).attrs().factor, Attrs().factor);
  EXPECT_EQ(tape.node(add(x, x).node()).own_attrs, nullptr);
}

TEST_F(TapeTest, GivesNoGradientForWhatTheLossDoesNotUse) {
  Tape tape;
  tape.parameter(store, "unused");
  const Gradients g = backward(sum(tape.parameter(store, "x")));
  EXPECT_EQ(g.items().size(), 1U);
  EXPECT_MESSAGE(g.at(store, "unused"), NameError,
                 "gradients: the loss does not depend on theta/unused");
}

TEST_F(TapeTest, GivesNoGradientForAFrozenStore) {
  ledger.freeze(store);
  Tape tape;
  EXPECT_TRUE(backward(sum(tape.parameter(store, "x"))).items().empty());
}

TEST_F(TapeTest, WalksADeepGraphWithoutRecursion) {
  Tape tape;
  Var x = tape.parameter(store, "x");
  for (int i = 0; i < 100000; ++i) x = scale(x, 1.0);
  EXPECT_EQ(backward(sum(x)).at(store, "x").values<double>()[0], 1.0);
}

TEST_F(TapeTest, RefusesALossThatIsNotANumber) {
  Tape tape;
  EXPECT_MESSAGE(backward(tape.parameter(store, "x")), ShapeError,
                 "backward: the loss is one number, got f64 [3]");
}

TEST_F(TapeTest, RefusesOperandsOfAnotherTape) {
  Tape tape, other;
  EXPECT_MESSAGE(add(tape.parameter(store, "x"), other.parameter(store, "x")), NameError,
                 "add: an operand belongs to another tape");
}

TEST_F(TapeTest, BackwardTwiceGivesTheSameBits) {
  Tape tape;
  const Var loss = sum(tanh(tape.parameter(store, "x")));
  const Tensor first = backward(loss).at(store, "x"), second = backward(loss).at(store, "x");
  EXPECT_EQ(xxh3(first), xxh3(second));
}

TEST_F(TapeTest, GivesTheGradientByAVariable) {
  Tape tape;
  const Var x = tape.variable(Tensor::full<double>({3}, 4.0));
  const Gradients g = backward(sum(mul(x, x)));
  EXPECT_EQ(g.at(x).values<double>()[2], 8.0);
  EXPECT_TRUE(g.items().empty());
}

TEST_F(TapeTest, StartsTheWalkFromAGivenGradient) {
  Tape tape;
  const Var x = tape.parameter(store, "x");
  const Gradients g = tape.backward(mul(x, x), Tensor::full<double>({3}, 0.5));
  EXPECT_EQ(g.at(store, "x").values<double>()[0], 2.0);
  EXPECT_THROW(tape.backward(mul(x, x), Tensor::full<double>({2}, 0.5)), ShapeError);
}

TEST_F(TapeTest, RefusesToReadAParameterAsOfTwoWrites) {
  Tape tape;
  tape.parameter(store, "x");
  ledger.commit({.proposer = "test", .writes = {{&store, "x", Tensor::full<double>({3}, 1.0)}}});
  EXPECT_MESSAGE(
      tape.parameter(store, "x"), StaleReadError,
      "tape: theta/x was read as of write 1 and has been written since (write 3); a pass "
      "reads each parameter once: start a new tape");
}

TEST_F(TapeTest, WalksTenThousandOpsWithoutRecursion) {
  Tape tape;
  Var x = tape.parameter(store, "x");
  for (int i = 0; i < 10000; ++i) x = scale(x, 1.0);
  EXPECT_EQ(backward(sum(x)).at(store, "x").values<double>()[0], 1.0);
}

}  // namespace
}  // namespace palinode
