// A low-rank change in one pass has the bits of its steps, and so have its gradients.
#include <gtest/gtest.h>

#include <cstddef>
#include <initializer_list>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/gemm.h"
#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

using Sizes = std::initializer_list<std::size_t>;

struct Operands {
  Tensor y, x, a, b;
};

Operands operands(std::size_t m, std::size_t k, std::size_t rank, std::size_t n, Dtype dtype) {
  const auto normal = [&](const char* name, std::size_t rows, std::size_t cols) {
    return Rng(1).stream(name).normal({rows, cols}, dtype);
  };
  return {normal("y", m, n), normal("x", m, k), normal("a", k, rank), normal("b", rank, n)};
}

// The value and the gradients of y, x, a and b, for an uneven dz.
std::vector<Tensor> results(const Operands& in, bool fused) {
  Tape tape;
  const Var y = tape.variable(in.y), x = tape.variable(in.x);
  const Var a = tape.variable(in.a), b = tape.variable(in.b);
  constexpr double kFactor = 0.7;
  Var z = y;
  if (fused) {
    z = low_rank_add(y, x, a, b, kFactor);
  } else {
    const Var low = scale(matmul(x, a), kFactor);
    z = add(y, matmul(low, b));
  }
  const Gradients gradients = tape.backward(z, Rng(2).normal(in.y.shape(), in.y.dtype()));
  return {z.value(), gradients.at(y), gradients.at(x), gradients.at(a), gradients.at(b)};
}

void expect_same(const Operands& in) {
  const std::vector<Tensor> fused = results(in, true), steps = results(in, false);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    with_float(in.y.dtype(), "test", [&]<class T>() {
      EXPECT_SAME_BITS(fused[i].compact().values<T>(), steps[i].compact().values<T>())
          << "result " << i;
    });
  }
}

TEST(LowRankAdd, HasTheBitsOfItsStepsOnEveryTarget) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF64}) {
    for_each_simd([&] {
      for (const std::size_t rank : Sizes{1, 3, 8, 15, 16, 17, 40}) {
        for (const std::size_t k : Sizes{1, 30, 256, 257, 600}) {
          SCOPED_TRACE(testing::Message() << "rank " << rank << ", k " << k);
          expect_same(operands(rank < 8 ? 1 : 11, k, rank, rank % 3 == 0 ? 37 : 16, dtype));
        }
      }
    });
  }
}

TEST(LowRankAdd, HasTheBitsOfItsStepsForAnyNumberOfRowsAndColumns) {
  for (const std::size_t m : Sizes{0, 1, 2, 7, 8, 9, 63, 64, 65, 130}) {
    for (const std::size_t n : Sizes{0, 1, 15, 16, 17, 128}) {
      SCOPED_TRACE(testing::Message() << m << " rows, " << n << " columns");
      expect_same(operands(m, 65, 8, n, Dtype::kF32));
    }
  }
  expect_same(operands(5, 0, 8, 9, Dtype::kF32));
  expect_same(operands(5, 9, 0, 9, Dtype::kF32));
}

TEST(LowRankAdd, ThreadsAndTransposedOperandsDoNotChangeABit) {
  const std::size_t before = threads();
  Operands in = operands(700, 300, 8, 200, Dtype::kF32);
  in.x = Rng(3).normal({300, 700}, Dtype::kF32).transpose();
  in.a = Rng(4).normal({8, 300}, Dtype::kF32).transpose();
  for (const std::size_t used : Sizes{1, 2, 3, 7}) {
    set_threads(used);
    expect_same(in);
  }
  set_threads(before);
}

TEST(LowRankAdd, RefusesSizesThatDoNotFit) {
  Tape tape;
  const auto zeros = [&](std::size_t rows, std::size_t cols) {
    return tape.constant(Tensor::zeros({rows, cols}, Dtype::kF32));
  };
  EXPECT_MESSAGE(low_rank_add(zeros(2, 3), zeros(2, 4), zeros(4, 1), zeros(1, 5), 1), ShapeError,
                 "low_rank_add: needs y [m, n], x [m, k], a [k, rank], b [rank, n]: f32 [2, 3], "
                 "f32 [2, 4], f32 [4, 1], f32 [1, 5]");
}

}  // namespace
}  // namespace palinode
