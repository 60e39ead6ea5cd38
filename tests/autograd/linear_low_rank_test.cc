// A linear layer that adds a low-rank change in its own product has the bits of the layer and the
// change one after the other, and so have its gradients.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

using Sizes = std::initializer_list<std::size_t>;

constexpr double kFactor = 0.7;

struct Operands {
  Tensor x, weight, bias, a, b;  // no bias if it is empty
};

Operands operands(std::size_t m, std::size_t k, std::size_t rank, std::size_t n, Dtype dtype,
                  bool bias = true) {
  const auto normal = [&](const char* name, const Shape& shape) {
    return Rng(1).stream(name).normal(shape, dtype);
  };
  return {normal("x", {m, k}), normal("weight", {k, n}), bias ? normal("bias", {n}) : Tensor(),
          normal("a", {k, rank}), normal("b", {rank, n})};
}

// The value and the gradients of x, weight, a, b and bias, for an uneven dz. x has another reader
// before, so that what the layer adds to its gradient finds something there.
std::vector<Tensor> results(const Operands& in, bool fused) {
  Tape tape;
  const Var x = tape.variable(in.x), weight = tape.variable(in.weight);
  const Var a = tape.variable(in.a), b = tape.variable(in.b);
  const auto layer = [&](Var bias) {
    if (fused) return linear_low_rank(x, weight, bias, a, b, kFactor);
    return low_rank_add(linear(x, weight, bias), x, a, b, kFactor);
  };
  const auto plain_layer = [&] {
    if (fused) return linear_low_rank(x, weight, a, b, kFactor);
    return low_rank_add(matmul(x, weight), x, a, b, kFactor);
  };
  Var z = x, both = x;
  std::vector<Var> variables = {x, weight, a, b};
  if (in.bias.empty()) {
    z = plain_layer();
  } else {
    variables.push_back(tape.variable(in.bias));
    z = layer(variables.back());
  }
  both = mul(z, matmul(x, weight));
  const Gradients gradients = tape.backward(both, Rng(2).normal(z.shape(), in.x.dtype()));
  std::vector<Tensor> all = {z.value()};
  for (const Var& variable : variables) all.push_back(gradients.at(variable));
  return all;
}

void expect_same(const Operands& in) {
  const std::vector<Tensor> fused = results(in, true), steps = results(in, false);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    with_float(in.x.dtype(), "test", [&]<class T>() {
      EXPECT_SAME_BITS(fused[i].compact().values<T>(), steps[i].compact().values<T>())
          << "result " << i;
    });
  }
}

// docs/arithmetic.md, section 2, one output at a time.
template <class T, class Left, class Right>
T product(std::size_t k, const Left& left, const Right& right) {
  T sum = 0;
  for (std::size_t block = 0; block < k; block += 256) {
    T chain = 0;
    for (std::size_t p = block; p < std::min(k, block + 256); ++p) {
      chain = std::fma(left(p), right(p), chain);
    }
    sum = block == 0 ? chain : sum + chain;
  }
  return sum;
}

template <class T>
std::vector<T> plain_loop(const Operands& in) {
  const std::size_t m = in.x.shape()[0], k = in.x.shape()[1];
  const std::size_t rank = in.a.shape()[1], n = in.b.shape()[1];
  const std::span<const T> x = in.x.values<T>(), weight = in.weight.values<T>();
  const std::span<const T> a = in.a.values<T>(), b = in.b.values<T>();
  std::vector<T> z(m * n), low(rank);
  for (std::size_t i = 0; i < m; ++i) {
    const auto row = [&](std::size_t p) { return x[i * k + p]; };
    for (std::size_t r = 0; r < rank; ++r) {
      low[r] = product<T>(k, row, [&](std::size_t p) { return a[p * rank + r]; }) *
               static_cast<T>(kFactor);
    }
    for (std::size_t j = 0; j < n; ++j) {
      T y = product<T>(k, row, [&](std::size_t p) { return weight[p * n + j]; });
      if (!in.bias.empty()) y = y + in.bias.values<T>()[j];
      z[i * n + j] = y + product<T>(
                             rank, [&](std::size_t r) { return low[r]; },
                             [&](std::size_t r) { return b[r * n + j]; });
    }
  }
  return z;
}

template <class T>
void expect_plain_loop(const Operands& in) {
  Tape tape;
  const Var x = tape.constant(in.x), weight = tape.constant(in.weight);
  const Var a = tape.constant(in.a), b = tape.constant(in.b);
  const Var z = in.bias.empty() ? linear_low_rank(x, weight, a, b, kFactor)
                                : linear_low_rank(x, weight, tape.constant(in.bias), a, b, kFactor);
  EXPECT_SAME_BITS(z.value().values<T>(), std::span<const T>(plain_loop<T>(in)));
}

TEST(LinearLowRank, HasTheBitsOfAPlainLoopOnEveryTarget) {
  for_each_simd([&] {
    for (const std::size_t m : Sizes{1, 2, 3, 4, 5, 13, 150}) {
      for (const std::size_t n : Sizes{1, 7, 16, 33, 130}) {
        for (const std::size_t rank : Sizes{1, 5, 8, 16, 17}) {
          SCOPED_TRACE(testing::Message() << m << " rows, " << n << " columns, rank " << rank);
          const std::size_t k = (m + n) % 3 == 0 ? 257 : 1 + (m * n) % 40;
          expect_plain_loop<float>(operands(m, k, rank, n, Dtype::kF32, m % 2 == 0));
          expect_plain_loop<double>(operands(m, k, rank, n, Dtype::kF64, n % 2 == 0));
        }
      }
    }
  });
}

TEST(LinearLowRank, HasTheBitsOfItsStepsWithBlocksOfStepsAndOfColumns) {
  for (const std::size_t m : Sizes{1, 4, 6, 90}) {
    for (const std::size_t n : Sizes{1023, 1024, 1040, 2050}) {
      for (const std::size_t k : Sizes{256, 300, 520}) {
        SCOPED_TRACE(testing::Message() << m << " rows, " << n << " columns, k " << k);
        expect_same(operands(m, k, 8, n, Dtype::kF32, k == 300));
      }
    }
  }
}

TEST(LinearLowRank, HasTheBitsOfItsStepsForEmptyMatrices) {
  expect_same(operands(0, 3, 8, 9, Dtype::kF32));
  expect_same(operands(5, 0, 8, 9, Dtype::kF32));
  expect_same(operands(5, 9, 0, 9, Dtype::kF32));
  expect_same(operands(5, 9, 8, 0, Dtype::kF32, false));
}

TEST(LinearLowRank, ThreadsAndTransposedOperandsDoNotChangeABit) {
  const std::size_t before = threads();
  // More rows than columns, and fewer: threads share out the one or the other.
  Operands tall = operands(700, 300, 8, 200, Dtype::kF32);
  tall.x = Rng(3).normal({300, 700}, Dtype::kF32).transpose();
  tall.a = Rng(4).normal({8, 300}, Dtype::kF32).transpose();
  Operands wide = operands(60, 300, 8, 700, Dtype::kF32);
  wide.weight = Rng(5).normal({700, 300}, Dtype::kF32).transpose();
  wide.b = Rng(6).normal({700, 8}, Dtype::kF32).transpose();
  for (const std::size_t used : Sizes{1, 2, 3, 7}) {
    SCOPED_TRACE(testing::Message() << used << " threads");
    set_threads(used);
    expect_same(tall);
    expect_same(wide);
    expect_plain_loop<float>(operands(70, 270, 8, 600, Dtype::kF32));
  }
  set_threads(before);
}

TEST(LinearLowRank, RefusesSizesThatDoNotFit) {
  Tape tape;
  const auto zeros = [&](std::size_t rows, std::size_t cols) {
    return tape.constant(Tensor::zeros({rows, cols}, Dtype::kF32));
  };
  EXPECT_MESSAGE(linear_low_rank(zeros(2, 3), zeros(3, 5), zeros(4, 1), zeros(1, 5), 1), ShapeError,
                 "linear_low_rank: needs x [m, k] twice, a [k, rank], b [rank, n], weight [k, n], "
                 "bias [n] or none: f32 [2, 3], f32 [2, 3], f32 [4, 1], f32 [1, 5], f32 [3, 5]");
}

}  // namespace
}  // namespace palinode
