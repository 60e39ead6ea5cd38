#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tensor/digest.h"
#include "tensor/error.h"
#include "tensor/ledger.h"

namespace palinode {
namespace {

struct Checkpoint : testing::Test {
  Ledger ledger;
  const Store& store = ledger.open("theta", Role::kIdentity);
  const Rng rng = Rng(3);
  const Tensor x = rng.stream("x").normal({5, 7}, Dtype::kF32);

  Checkpoint() {
    Proposal init{.proposer = "test"};
    for (const char* name : {"a", "b"}) {
      init.writes.push_back({&store, name, rng.stream(name).normal({7, 7}, Dtype::kF32), true});
    }
    ledger.commit(init);
  }

  Var layer(Tape& tape, Var in, const char* name) const {
    const Var weight = tape.parameter(store, name);
    return tanh(matmul(in, weight));
  }
};

TEST_F(Checkpoint, HasTheValueAndTheGradientsOfThePlainPass) {
  Tape plain;
  const Var plain_x = plain.variable(x);
  const Var plain_y = layer(plain, layer(plain, plain_x, "a"), "b");
  const Gradients want = backward(mean(mul(plain_y, plain_y)));

  Tape tape;
  const Var in = tape.variable(x);
  Var y = in;
  for (const char* name : {"a", "b"}) {
    y = checkpoint(y, [this, name](Tape& t, Var v) { return layer(t, v, name); });
  }
  const Gradients got = backward(mean(mul(y, y)));

  EXPECT_EQ(xxh3(y.value()), xxh3(plain_y.value()));
  EXPECT_EQ(xxh3(got.at(store, "a")), xxh3(want.at(store, "a")));
  EXPECT_EQ(xxh3(got.at(store, "b")), xxh3(want.at(store, "b")));
  EXPECT_EQ(xxh3(got.at(in)), xxh3(want.at(plain_x)));
}

TEST_F(Checkpoint, KeepsOneValueForItsWholeSegment) {
  Tape tape;
  const Var in = tape.constant(x);
  const std::size_t before = tape.size();
  const Var y = checkpoint(in, [this](Tape& t, Var v) {
    for (int i = 0; i < 50; ++i) v = layer(t, v, "a");
    return v;
  });
  EXPECT_EQ(y.node(), before + 1);
  EXPECT_EQ(tape.size(), before + 2);  // the parameter and the segment
}

TEST_F(Checkpoint, GivesTheGradientOfAParameterWhenItsInputNeedsNone) {
  Tape tape;
  const Var y = checkpoint(tape.constant(x), [this](Tape& t, Var v) { return layer(t, v, "a"); });
  EXPECT_EQ(backward(sum(y)).items().size(), 1U);
}

TEST_F(Checkpoint, RefusesAParameterWrittenBetweenForwardAndBackward) {
  Tape tape;
  const Var y = checkpoint(tape.constant(x), [this](Tape& t, Var v) { return layer(t, v, "a"); });
  const Var loss = sum(y);
  ledger.commit(
      {.proposer = "test", .writes = {{&store, "a", Tensor::zeros({7, 7}, Dtype::kF32)}}});
  EXPECT_THROW(backward(loss), StaleReadError);
}

TEST_F(Checkpoint, RefusesABufferWrittenBetweenForwardAndBackward) {
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  ledger.commit(
      {.proposer = "test", .writes = {{&buffers, "c", Tensor::full<float>({7, 7}, 2.0F), true}}});
  Tape tape;
  const Var in = tape.variable(x);
  const Var y = checkpoint(in, [&](Tape& t, Var v) {
    const Var weight = t.parameter(buffers, "c");
    return matmul(v, weight);
  });
  const Var loss = sum(y);
  ledger.commit(
      {.proposer = "test", .writes = {{&buffers, "c", Tensor::full<float>({7, 7}, 3.0F)}}});
  EXPECT_THROW(backward(loss), StaleReadError);
}

TEST_F(Checkpoint, MayLeaveItsInputUnused) {
  Tape tape;
  const Var in = tape.variable(x);
  const Var y = checkpoint(in, [this](Tape& t, Var) {
    const Var weight = t.parameter(store, "a");
    return tanh(weight);
  });
  const Var loss = sum(y);
  const Gradients gradients = backward(loss);
  EXPECT_EQ(gradients.items().size(), 1U);
  EXPECT_EQ(gradients.find(in), nullptr);
}

}  // namespace
}  // namespace palinode
