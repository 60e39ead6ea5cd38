// The orders of docs/arithmetic.md, section 5, for operands that broadcast, and what is recorded.
#include <gtest/gtest.h>

#include <vector>

#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"
#include "tests/support/oracle.h"

namespace palinode {
namespace {

Tensor random(const Shape& shape, std::uint64_t seed) {
  return Tensor::from<float>(oracle::random_values<float>(shape.elements(), seed), shape);
}

std::vector<float> values_of(const Tensor& x) {
  const Tensor compact = x.compact();
  const std::span<const float> values = compact.values<float>();
  return {values.begin(), values.end()};
}

TEST(Broadcast, ReadsARepeatedOperandWithoutWritingItDown) {
  const Tensor a = random({3, 257, 5}, 1), b = random({257, 1}, 2);
  for_each_simd([&] {
    Tape tape;
    const Tensor y = div(tape.constant(a), tape.constant(b)).value();
    std::vector<float> want;
    for (std::size_t i = 0; i < a.elements(); ++i) {
      want.push_back(a.values<float>()[i] / b.values<float>()[i / 5 % 257]);
    }
    EXPECT_SAME_BITS(values_of(y), want);
  });
}

TEST(Broadcast, SumsAnOuterAxisLikeColumns) {
  const Tensor g = random({700, 33}, 3);
  EXPECT_SAME_BITS(values_of(sum_to(g, {33})),
                   oracle::column_sums<float>(g.values<float>(), 700, 33));
  EXPECT_SAME_BITS(values_of(sum_to(g.reshape({7, 100, 33}), {1, 33})),
                   oracle::column_sums<float>(g.values<float>(), 700, 33));
}

TEST(Broadcast, SumsTheLastAxesLikeRows) {
  const Tensor g = random({3, 50, 100}, 4);
  std::vector<float> want;
  for (std::size_t i = 0; i < 3; ++i) {
    want.push_back(oracle::sum<float>(g.values<float>().subspan(i * 5000, 5000)));
  }
  EXPECT_SAME_BITS(values_of(sum_to(g, {3, 1, 1})), want);
  EXPECT_SAME_BITS(values_of(sum_to(g, {})),
                   std::vector<float>{oracle::sum<float>(g.values<float>())});
}

TEST(Broadcast, SumsTheLastGroupOfAxesFirst) {
  const Tensor g = random({300, 7, 90}, 5);
  std::vector<float> rows;
  for (std::size_t i = 0; i < 2100; ++i) {
    rows.push_back(oracle::sum<float>(g.values<float>().subspan(i * 90, 90)));
  }
  EXPECT_SAME_BITS(values_of(sum_to(g, {7, 1})), oracle::column_sums<float>(rows, 300, 7));
}

TEST(Embedding, AddsTheRowsOfOneIdInTheirOrder) {
  const Tensor ids = Tensor::from<std::int32_t>(std::vector<std::int32_t>{2, 0, 2, 2}, {2, 2});
  const Tensor dy = random({2, 2, 3}, 6);
  Tape tape;
  const Var weight = tape.variable(random({4, 3}, 7));
  const Tensor dweight = tape.backward(embedding(weight, ids), dy).at(weight);
  const std::vector<float> g = values_of(dy);
  std::vector<float> want(12);
  for (std::size_t j = 0; j < 3; ++j) {
    want[j] = g[3 + j];
    want[6 + j] = (g[j] + g[6 + j]) + g[9 + j];
  }
  EXPECT_SAME_BITS(values_of(dweight), want);
}

TEST(Embedding, NamesAnIdOutOfRange) {
  Tape tape;
  const Var weight = tape.constant(random({4, 3}, 7));
  EXPECT_MESSAGE(embedding(weight, Tensor::full<std::int32_t>({2}, 4)), ShapeError,
                 "embedding: id 4 is not in [0, 4)");
  EXPECT_MESSAGE(embedding(weight, Tensor::zeros({2}, Dtype::kF32)), DtypeError,
                 "embedding: ids are i32, got f32 [2]");
}

TEST(Dropout, OfRateZeroRecordsNothing) {
  Tape tape;
  const Var x = tape.constant(random({4}, 1));
  EXPECT_EQ(dropout(x, 0, {}).node(), x.node());
  EXPECT_EQ(tape.size(), 1U);
  EXPECT_MESSAGE(dropout(x, 1, {}), ShapeError,
                 "dropout: the rate is at least 0 and below 1, got 1");
}

TEST(Linear, AppliesTheActivationLikeTheOperation) {
  using kernels::Activation;
  Tape tape;
  const Var x = tape.constant(random({2, 9, 5}, 1));
  const Var w = tape.constant(random({5, 7}, 2));
  const Var plain = linear(x, w);
  EXPECT_EQ(plain.shape(), (Shape{2, 9, 7}));
  for_each_simd([&] {
    EXPECT_SAME_BITS(values_of(linear(x, w, Activation::kTanhFast).value()),
                     values_of(tanh(plain, Precision::kFast).value()));
    EXPECT_SAME_BITS(values_of(linear(x, w, Activation::kSigmoidFast).value()),
                     values_of(sigmoid(plain, Precision::kFast).value()));
    EXPECT_SAME_BITS(values_of(linear(x, w, Activation::kRelu).value()),
                     values_of(relu(plain).value()));
  });
  EXPECT_MESSAGE(linear(x, w, Activation::kGelu), NameError,
                 "linear: the gradient of gelu needs more than its result; apply it apart");
}

TEST(ShapeErrors, NameTheOpAndTheShapes) {
  Tape tape;
  const Var x = tape.constant(random({2, 3}, 1));
  EXPECT_MESSAGE(sum(x, 2), ShapeError, "sum: f32 [2, 3] has no axis 2");
  EXPECT_MESSAGE(transpose(x, 0, -3), ShapeError, "transpose: f32 [2, 3] has no axis -3");
  EXPECT_MESSAGE(mean(tape.constant(random({0, 3}, 1)), 0), ShapeError,
                 "mean: the mean of nothing: f32 [0, 3]");
  EXPECT_MESSAGE(max_pool2d(x), ShapeError, "max_pool2d: needs x [n, h, w, c]: f32 [2, 3]");
  EXPECT_MESSAGE(batch_norm(x, tape.constant(random({2}, 1)), tape.constant(random({3}, 1))),
                 ShapeError,
                 "batch_norm: needs x [..., c], not empty, gamma [c] and beta [c]: f32 [2, 3], "
                 "f32 [2], f32 [3]");
}

}  // namespace
}  // namespace palinode
