#include "nn/batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "optim/sgd.h"
#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

struct BatchNormTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  const Store& buffers = ledger.open("buffers", Role::kBuffer);
  BatchNorm layer{theta, buffers, "norm", {.channels = 2}};
  Tensor x = Rng(1).stream("x").normal({3, 2, 2, 2}, Dtype::kF64);

  BatchNormTest() {
    Parameters parameters;
    layer.declare(parameters);
    Proposal proposal{.proposer = "test"};
    add_initial(proposal, parameters, Rng(1), Dtype::kF64);
    ledger.commit(proposal);
  }
  double x_at(std::size_t row, std::size_t channel) const {
    return x.values<double>()[row * 2 + channel];
  }
  Tensor evaluated() {
    Tape tape;
    nn::Run run(tape);
    return layer(run, tape.constant(x)).value();
  }
  // One step of training at learning rate 0: only the buffers move.
  void step() {
    Tape tape;
    nn::Run run(tape, {.mode = Mode::kTrain});
    const Var y = layer(run, tape.constant(x));
    Proposal proposal{.proposer = "step"};
    run.add_buffers(proposal);
    ledger.commit(proposal);
    EXPECT_EQ(y.shape(), x.shape());
  }
};

TEST_F(BatchNormTest, InTrainModeEveryChannelHasMeanZeroAndVarianceOne) {
  Tape tape;
  nn::Run run(tape, {.mode = Mode::kTrain});
  const Tensor y = layer(run, tape.constant(x)).value();
  for (std::size_t channel = 0; channel < 2; ++channel) {
    double sum = 0, squares = 0;
    for (std::size_t row = 0; row < 12; ++row) {
      const double value = y.values<double>()[row * 2 + channel];
      sum += value / 12;
      squares += value * value / 12;
    }
    EXPECT_NEAR(sum, 0, 1e-12);
    EXPECT_NEAR(squares, 1, 1e-4);
  }
}

TEST_F(BatchNormTest, AStepMovesTheRunningStatisticsByATenthTheVarianceUnbiased) {
  step();
  for (std::size_t channel = 0; channel < 2; ++channel) {
    double mean = 0, variance = 0;
    for (std::size_t row = 0; row < 12; ++row) mean += x_at(row, channel) / 12;
    for (std::size_t row = 0; row < 12; ++row) {
      variance += std::pow(x_at(row, channel) - mean, 2) / 11;
    }
    EXPECT_NEAR(buffers.at("norm.running_mean").values<double>()[channel], 0.1 * mean, 1e-14);
    EXPECT_NEAR(buffers.at("norm.running_var").values<double>()[channel], 0.9 + 0.1 * variance,
                1e-14);
  }
}

TEST_F(BatchNormTest, InEvalModeItIsAFunctionOfTheRunningStatistics) {
  step();
  const Tensor y = evaluated();
  const auto value = [&](const char* name, std::size_t c) {
    return buffers.at(name).values<double>()[c];
  };
  for (std::size_t i = 0; i < y.elements(); ++i) {
    const std::size_t c = i % 2;
    const double want = (x.values<double>()[i] - value("norm.running_mean", c)) /
                        std::sqrt(value("norm.running_var", c) + 1e-5);
    EXPECT_NEAR(y.values<double>()[i], want, 1e-12);
  }
}

TEST_F(BatchNormTest, ThePassItselfWritesNothing) {
  const Sha256Digest before = fingerprint(buffers);
  Tape tape;
  nn::Run run(tape, {.mode = Mode::kTrain});
  layer(run, tape.constant(x));
  EXPECT_EQ(fingerprint(buffers), before);
  EXPECT_EQ(run.buffer_writes().size(), 2U);
  Tape plain;
  nn::Run second(plain);
  layer(second, plain.constant(x));
  EXPECT_EQ(second.buffer_writes().size(), 0U);
}

TEST_F(BatchNormTest, StatisticsPassTheDoorWithTheOptimizersStep) {
  const optim::Sgd sgd(ledger.open("sgd", Role::kOptimizer), theta, {.lr = 0.1});
  Tape tape;
  nn::Run run(tape, {.mode = Mode::kTrain});
  const Var y = layer(run, tape.constant(x));
  const Var square = mul(y, y);
  Proposal proposal = sgd.propose(backward(sum(square)));
  run.add_buffers(proposal);
  const Sha256Digest before = fingerprint(buffers);
  ledger.commit(proposal);
  EXPECT_NE(fingerprint(buffers), before);
}

TEST_F(BatchNormTest, BuffersTakeNoGradient) {
  Tape tape;
  nn::Run run(tape);
  const Var y = layer(run, tape.constant(x));
  const Gradients found = backward(sum(y));
  EXPECT_EQ(found.items().size(), 2U);
  for (const Gradients::Item& item : found.items()) EXPECT_EQ(item.store, &theta);
}

TEST_F(BatchNormTest, TrainModeIsRefusedOnceTheBuffersAreFrozen) {
  const Tensor before = evaluated();
  ledger.freeze(buffers);
  EXPECT_MESSAGE(step(), FrozenError,
                 "batch_norm: norm: buffers is frozen since write 5, and in train mode the layer "
                 "would use and move the statistics of the batch; run it in eval mode, or attach a "
                 "behavior that keeps statistics of its own for norm");
  EXPECT_EQ(xxh3(evaluated()), xxh3(before));
}

TEST_F(BatchNormTest, TrainModeIsRefusedOnceTheParametersAreFrozen) {
  ledger.freeze(theta);
  EXPECT_THROW(step(), FrozenError);
  evaluated();
}

TEST_F(BatchNormTest, RefusesAStoreThatIsNotForBuffers) {
  EXPECT_MESSAGE(BatchNorm(theta, theta, "norm", {.channels = 2}), NameError,
                 "batch_norm: norm: its statistics need a store with the role buffer, theta has "
                 "the role identity");
}

TEST_F(BatchNormTest, TakesRowsToo) {
  x = x.reshape({12, 2});
  const Xxh3Digest rows = xxh3(evaluated());
  x = x.reshape({3, 2, 2, 2});
  EXPECT_EQ(xxh3(evaluated()), rows);
}

}  // namespace
}  // namespace palinode::nn
