#include "nn/cnn.h"

#include <gtest/gtest.h>

#include "optim/adam.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

const CnnConfig kConfig = {.height = 8,
                           .width = 6,
                           .channels = 2,
                           .blocks = {{4, 3, 2}, {3, 5, 1}},
                           .hidden = {7},
                           .classes = 5,
                           .batch_norm = true,
                           .dropout = 0.2};

struct CnnTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  Cnn model{theta, buffers, kConfig};
  Tensor x = Rng(1).stream("x").normal({16, 8, 6, 2}, Dtype::kF32);

  CnnTest() { ledger.commit(model.init(Rng(1).stream("init"))); }
};

TEST_F(CnnTest, HasTheParametersItsDocumentationNames) {
  EXPECT_EQ(theta.at("block.0.conv.weight").shape(), (Shape{3, 3, 2, 4}));
  EXPECT_EQ(theta.at("block.1.conv.weight").shape(), (Shape{5, 5, 4, 3}));
  EXPECT_EQ(theta.at("block.1.norm.bias").shape(), (Shape{3}));
  EXPECT_EQ(buffers.at("block.0.norm.running_var").shape(), (Shape{4}));
  EXPECT_EQ(theta.at("layer.0.weight").shape(), (Shape{4 * 3 * 3, 7}));
  EXPECT_EQ(theta.at("layer.1.weight").shape(), (Shape{7, 5}));
  EXPECT_EQ(model.sites(), (std::vector<std::string>{"layer.0", "layer.1"}));
}

TEST_F(CnnTest, InEvalModeARowDoesNotDependOnItsBatch) {
  const Tensor all = evaluate(model, x);
  EXPECT_EQ(all.shape(), (Shape{16, 5}));
  EXPECT_EQ(xxh3(evaluate(model, x.rows(3, 4))), xxh3(all.rows(3, 4)));
}

TEST_F(CnnTest, LearnsAndItsStatisticsMoveWithIt) {
  const optim::Adam adam(ledger.open("adam", Role::kOptimizer), theta, {.lr = 0.01});
  std::vector<std::int32_t> labels;
  for (std::int32_t i = 0; i < 16; ++i) labels.push_back(i % 5);
  double first = 0, last = 0;
  for (std::uint64_t step = 0; step < 40; ++step) {
    const Rng masks = Rng(1).stream("dropout").stream(step);
    Tape tape;
    nn::Run run(tape, {.mode = Mode::kTrain, .rng = &masks});
    const Var logits = model.forward(run, tape.constant(x));
    const Var loss = cross_entropy(logits, Tensor::from<std::int32_t>(labels, {16}));
    Proposal proposal = adam.propose(backward(loss));
    run.add_buffers(proposal);
    ledger.commit(proposal);
    last = loss.value().item();
    if (step == 0) first = last;
  }
  EXPECT_LT(last, first / 2);
  EXPECT_NE(buffers.at("block.0.norm.running_mean").values<float>()[0], 0);
}

TEST_F(CnnTest, RefusesWhatItCannotRead) {
  EXPECT_MESSAGE(evaluate(model, Tensor::zeros({2, 8, 6, 1}, Dtype::kF32)), ShapeError,
                 "cnn: needs images [n, 8, 6, 2], got f32 [2, 8, 6, 1]");
}

TEST_F(CnnTest, RefusesBadConfigurations) {
  EXPECT_MESSAGE(Cnn(theta, kConfig), NameError,
                 "cnn: batch_norm needs a store for its statistics");
  EXPECT_MESSAGE(Cnn(theta, {.blocks = {{4, 2, 1}}}), ShapeError,
                 "cnn: block 0 needs channels, an odd kernel and pool from 1, got 4, 2, 1");
  EXPECT_MESSAGE(Cnn(theta, {.blocks = {{4, 3, 29}}}), ShapeError,
                 "cnn: 0 x 0 places of 4 channels are left for 10 classes");
}

}  // namespace
}  // namespace palinode::nn
