// Layers against their formulas, in f64.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "nn/attention.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/feed_forward.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/rms_norm.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode::nn {
namespace {

struct LayersTest : testing::Test {
  Ledger ledger;
  const Store& theta = ledger.open("theta", Role::kIdentity);
  Tape tape;
  nn::Run run{tape};

  // Normal values for what a layer declares.
  template <class Layer>
  void fill(const Layer& layer) {
    Parameters parameters;
    layer.declare(parameters);
    for (Parameter& each : parameters) each.init = normal(1);
    Proposal proposal{.proposer = "test"};
    add_initial(proposal, parameters, Rng(1), Dtype::kF64);
    ledger.commit(proposal);
  }
  double at(const char* name, std::size_t i) const { return theta.at(name).values<double>()[i]; }
  Var input(const Shape& shape) {
    return tape.constant(Rng(2).stream("x").normal(shape, Dtype::kF64));
  }
};

double value(Var x, std::size_t i) { return x.value().compact().values<double>()[i]; }

TEST_F(LayersTest, LinearWithoutBiasIsAProduct) {
  const Linear layer(theta, "up", {3, 2, false});
  fill(layer);
  EXPECT_EQ(theta.entries().size(), 1U);
  const Var x = input({2, 3});
  const Var y = layer(run, x);
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t out = 0; out < 2; ++out) {
      double want = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        want += value(x, row * 3 + k) * at("up.weight", k * 2 + out);
      }
      EXPECT_NEAR(value(y, row * 2 + out), want, 1e-14);
    }
  }
}

TEST_F(LayersTest, AnEmbeddingTakesRowsAndItsHeadComparesWithThem) {
  const Embedding layer(theta, "token", {.entries = 4, .width = 3});
  fill(layer);
  const std::vector<std::int32_t> ids = {3, 0, 3};
  const Var y = layer(run, Tensor::from<std::int32_t>(ids, {1, 3}));
  EXPECT_EQ(y.shape(), (Shape{1, 3, 3}));
  for (std::size_t i = 0; i < 9; ++i) {
    const auto id = static_cast<std::size_t>(ids[i / 3]);
    EXPECT_EQ(value(y, i), at("token.weight", id * 3 + i % 3));
  }
  const Var x = input({2, 3});
  const Var logits = layer.head(run, x);
  EXPECT_EQ(logits.shape(), (Shape{2, 4}));
  double want = 0;
  for (std::size_t k = 0; k < 3; ++k) want += value(x, 3 + k) * at("token.weight", 2 * 3 + k);
  EXPECT_NEAR(value(logits, 4 + 2), want, 1e-14);
}

TEST_F(LayersTest, LayerNormAndRmsNormComputeTheirFormulas) {
  const LayerNorm layer(theta, "a", 4);
  const RmsNorm root(theta, "b", 4);
  fill(layer);
  fill(root);
  const Var x = input({1, 4});
  const Var y = layer(run, x), z = root(run, x);
  double mean = 0, variance = 0, squares = 0;
  for (std::size_t i = 0; i < 4; ++i) mean += value(x, i) / 4;
  for (std::size_t i = 0; i < 4; ++i) variance += std::pow(value(x, i) - mean, 2) / 4;
  for (std::size_t i = 0; i < 4; ++i) squares += std::pow(value(x, i), 2) / 4;
  for (std::size_t i = 0; i < 4; ++i) {
    const double h = (value(x, i) - mean) / std::sqrt(variance + 1e-5);
    EXPECT_NEAR(value(y, i), h * at("a.weight", i) + at("a.bias", i), 1e-13);
    EXPECT_NEAR(value(z, i), value(x, i) / std::sqrt(squares + 1e-5) * at("b.weight", i), 1e-13);
  }
}

TEST_F(LayersTest, AConvolutionOfOnePlaceIsALinearLayer) {
  const Conv2d layer(theta, "conv", {.in = 3, .out = 2, .kernel = 1});
  fill(layer);
  const Var x = input({1, 2, 2, 3});
  const Var y = layer(run, x);
  for (std::size_t place = 0; place < 4; ++place) {
    double want = at("conv.bias", 1);
    for (std::size_t c = 0; c < 3; ++c) {
      want += value(x, place * 3 + c) * at("conv.weight", c * 2 + 1);
    }
    EXPECT_NEAR(value(y, place * 2 + 1), want, 1e-14);
  }
}

TEST_F(LayersTest, TheFeedForwardPartsComputeTheirFormulas) {
  const FeedForwardConfig config{.width = 1, .hidden = 1, .precision = Precision::kRounded};
  const FeedForward plain(theta, "a", config);
  const SwiGlu gated(theta, "b", config);
  fill(plain);
  fill(gated);
  const Var x = input({1, 1});
  const Var y = plain(run, x), z = gated(run, x);
  const double up = value(x, 0) * at("a.up.weight", 0) + at("a.up.bias", 0);
  const double u = std::sqrt(2 / std::acos(-1.0)) * (up + 0.044715 * up * up * up);
  EXPECT_NEAR(value(y, 0),
              up / 2 * (1 + std::tanh(u)) * at("a.down.weight", 0) + at("a.down.bias", 0), 1e-14);
  const double gate = value(x, 0) * at("b.gate.weight", 0);
  const double hidden = gate / (1 + std::exp(-gate)) * value(x, 0) * at("b.up.weight", 0);
  EXPECT_NEAR(value(z, 0), hidden * at("b.down.weight", 0), 1e-14);
}

TEST_F(LayersTest, TheFirstTokenAttendsToItself) {
  const MultiHeadAttention layer(
      theta, "attn",
      {.width = 4, .heads = 2, .kv_heads = 1, .bias = false, .precision = Precision::kRounded});
  fill(layer);
  EXPECT_EQ(theta.at("attn.qkv.weight").shape(), (Shape{4, 8}));
  const Var x = input({1, 4});
  const Var y = layer(run, x, {.batch = 1, .time = 1});
  // Both heads return the one value, columns 6 and 7 of qkv.
  std::vector<double> v(4, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t k = 0; k < 4; ++k) {
      v[i] += value(x, k) * at("attn.qkv.weight", k * 8 + 6 + i % 2);
    }
  }
  for (std::size_t out = 0; out < 4; ++out) {
    double want = 0;
    for (std::size_t i = 0; i < 4; ++i) want += v[i] * at("attn.out.weight", i * 4 + out);
    EXPECT_NEAR(value(y, out), want, 1e-13);
  }
}

TEST_F(LayersTest, DropoutIsTheInputItselfInEvalMode) {
  const Dropout layer("drop", 0.5);
  const Var x = input({3, 3});
  EXPECT_EQ(layer(run, x).node(), x.node());
}

TEST_F(LayersTest, DropoutDropsItsShareByTheStreamOfItsName) {
  const Rng rng(1), other(2);
  const auto dropped = [&](const char* name, const Rng& by) {
    Tape own;
    nn::Run training(own, {.mode = Mode::kTrain, .rng = &by});
    const Dropout layer(name, 0.25);
    return layer(training, own.constant(Tensor::full<double>({1000}, 3.0))).value();
  };
  const Tensor y = dropped("a", rng);
  std::size_t zeros = 0;
  for (const double v : y.values<double>()) {
    EXPECT_TRUE(v == 0 || std::abs(v - 4) < 1e-14);
    zeros += v == 0 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(zeros), 250, 50);
  EXPECT_EQ(xxh3(dropped("a", rng)), xxh3(y));
  EXPECT_NE(xxh3(dropped("b", rng)), xxh3(y));
  EXPECT_NE(xxh3(dropped("a", other)), xxh3(y));
}

TEST_F(LayersTest, DropoutInAShardDropsWhatItDropsInTheWholeBatch) {
  const Rng masks = Rng(3).stream("dropout");
  const Dropout layer("drop", 0.5);
  const Tensor x = Rng(2).stream("x").normal({12, 7}, Dtype::kF64);
  nn::Run whole(tape, {.mode = Mode::kTrain, .rng = &masks});
  const Tensor want = layer(whole, tape.constant(x)).value();
  const struct : Seam {
    Sha256Digest key() const override { return {}; }
  } seam;
  for (const std::size_t shards : {1U, 2U, 3U, 12U}) {
    const std::size_t rows = 12 / shards;
    for (std::size_t index = 0; index < shards; ++index) {
      nn::Run part(tape, {.mode = Mode::kTrain, .rng = &masks, .shard = index});
      const std::size_t begin = index * rows, end = begin + rows;
      const Var rows = tape.constant(x.rows(begin, end));
      const Tensor expected = want.rows(begin, end);
      EXPECT_SAME_BITS(layer(part, rows).value().values<double>(), expected.values<double>());
      nn::Run inner(part, seam);
      EXPECT_SAME_BITS(layer(inner, rows).value().values<double>(), expected.values<double>());
    }
  }
}

TEST_F(LayersTest, DropoutNeedsAnRngToTrain) {
  nn::Run training(tape, {.mode = Mode::kTrain});
  const Var x = input({3});
  EXPECT_MESSAGE(Dropout("drop", 0.5)(training, x), NameError,
                 "dropout: drop: a pass in train mode needs an rng (RunConfig) to drop by");
  EXPECT_MESSAGE(Dropout("drop", 1), ShapeError,
                 "dropout: drop: a probability from 0 to below 1, got 1");
}

}  // namespace
}  // namespace palinode::nn
