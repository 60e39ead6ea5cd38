#include "tensor/shaping.h"

#include <gtest/gtest.h>

#include <vector>

#include "tensor/error.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

using Values = std::vector<std::int32_t>;

Tensor counting(const Shape& shape) {
  return arange(static_cast<std::int32_t>(shape.elements())).reshape(shape);
}

Tensor index_of(const Values& values) {
  return Tensor::from<std::int32_t>(values, {values.size()});
}

Values values_of(const Tensor& tensor) {
  const auto values = tensor.values<std::int32_t>();  // results are row-major
  return {values.begin(), values.end()};
}

std::vector<float> floats_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

TEST(BroadcastShapes, AlignsAtTheLastAxis) {
  const auto shape = [](const Shape& a, const Shape& b) {
    return broadcast_shapes("add", Tensor::zeros(a, Dtype::kF32), Tensor::zeros(b, Dtype::kF32));
  };
  EXPECT_EQ(shape({3, 1}, {2, 1, 4}), (Shape{2, 3, 4}));
  EXPECT_EQ(shape({}, {2}), (Shape{2}));
  EXPECT_EQ(shape({1}, {0}), (Shape{0}));
  EXPECT_MESSAGE(shape({3, 4}, {2, 4}), ShapeError,
                 "add: cannot broadcast f32 [3, 4] with f32 [2, 4]: axis 0 is 3 and 2");
  EXPECT_MESSAGE(shape({5, 3, 4}, {2, 4}), ShapeError,
                 "add: cannot broadcast f32 [5, 3, 4] with f32 [2, 4]: axis 1 of the result is 3 "
                 "and 2");
  EXPECT_THROW(shape({0}, {2}), ShapeError);
}

TEST(Concat, JoinsAlongAnyAxis) {
  const Tensor a = counting({2, 2}), b = counting({2, 1});
  EXPECT_EQ(values_of(concat({a, a})), (Values{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(values_of(concat({a, b, a}, 1)), (Values{0, 1, 0, 0, 1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(values_of(concat({a.transpose(), b}, 1)), (Values{0, 2, 0, 1, 3, 1}));
  EXPECT_EQ(values_of(concat({a.rows(0, 0), a})), values_of(a));
  EXPECT_TRUE(concat({a.rows(0, 0), a.rows(1, 1)}).empty());
}

TEST(Concat, TakesBackSplit) {
  const Tensor x = counting({3, 5, 4});
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto parts = x.split(axis, {1, x.shape()[axis] - 1});
    EXPECT_EQ(values_of(concat(parts, axis)), values_of(x));
  }
}

TEST(Stack, MakesANewAxis) {
  const Tensor a = counting({2}), b = index_of({7, 8});
  EXPECT_EQ(values_of(stack({a, b})), (Values{0, 1, 7, 8}));
  EXPECT_EQ(values_of(stack({a, b}, 1)), (Values{0, 7, 1, 8}));
  EXPECT_EQ(stack({Tensor::scalar(1), Tensor::scalar(2)}).shape(), (Shape{2}));
}

TEST(Gather, ReadsOnePlaceOfTheAxisForEachOutput) {
  const Tensor x = counting({3, 4});
  const Tensor rows = Tensor::from<std::int32_t>(Values{2, 0, 1, 1}, {1, 4});
  EXPECT_EQ(values_of(gather(x, 0, rows)), (Values{8, 1, 6, 7}));
  const Tensor cols = Tensor::from<std::int32_t>(Values{3, 0, 1, 1, 2, 2}, {3, 2});
  EXPECT_EQ(values_of(gather(x, 1, cols)), (Values{3, 0, 5, 5, 10, 10}));
  EXPECT_EQ(values_of(gather(x.transpose(), 0, cols.transpose())), (Values{3, 5, 10, 0, 5, 10}));
  EXPECT_TRUE(gather(x, 1, cols.slice(1, 0, 0)).empty());
}

TEST(Take, PicksPlacesOfOneAxis) {
  const Tensor x = counting({3, 2, 2});
  EXPECT_EQ(values_of(take(x, index_of({2, 0, 2}))),
            (Values{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(take(x, index_of({1}), 1)), (Values{2, 3, 6, 7, 10, 11}));
  EXPECT_EQ(values_of(take(x, index_of({1, 0}), 2)),
            (Values{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10}));
  EXPECT_EQ(take(x, index_of({}), 1).shape(), (Shape{3, 0, 2}));
}

TEST(OneHot, MarksTheClass) {
  EXPECT_EQ(floats_of(one_hot(index_of({1, 0}), 3)), (std::vector<float>{0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(values_of(one_hot(index_of({2}), 3, Dtype::kI32)), (Values{0, 0, 1}));
  EXPECT_EQ(one_hot(index_of({0}), 1, Dtype::kF16).values<Float16>()[0], Float16{0x3c00});
}

TEST(MaskedFill, FillsWhereTheMaskIsNotZero) {
  const Tensor x = counting({2, 2});
  EXPECT_EQ(values_of(masked_fill(x, index_of({0, 1}), -9)), (Values{0, -9, 2, -9}));
  const Tensor diagonal = Tensor::from<std::int32_t>(Values{-1, 0, 0, 5}, {2, 2});
  EXPECT_EQ(floats_of(masked_fill(x.to(Dtype::kF32), diagonal, 0.5)),
            (std::vector<float>{0.5F, 1, 2, 0.5F}));
}

TEST(Arange, CountsUpAndDown) {
  EXPECT_EQ(values_of(arange(3)), (Values{0, 1, 2}));
  EXPECT_EQ(values_of(arange(2, 9, 3)), (Values{2, 5, 8}));
  EXPECT_EQ(values_of(arange(2, 8, 3)), (Values{2, 5}));
  EXPECT_EQ(values_of(arange(2, -2, -2)), (Values{2, 0}));
  EXPECT_TRUE(arange(2, 1).empty());
  EXPECT_TRUE(arange(-1).empty());
  EXPECT_EQ(values_of(arange(-2147483647 - 1, 2147483647, 2147483647)),
            (Values{-2147483647 - 1, -1, 2147483646}));
}

TEST(Shaping, NamesWhatDoesNotFit) {
  const Tensor x = counting({3, 4});
  EXPECT_MESSAGE(concat({}), ShapeError, "concat: nothing to join");
  EXPECT_MESSAGE(concat({x, counting({3, 5})}), ShapeError,
                 "concat: part 1 is i32 [3, 5], which does not continue i32 [3, 4] along axis 0");
  EXPECT_MESSAGE(concat({x, x.to(Dtype::kF32)}), ShapeError,
                 "concat: part 1 is f32 [3, 4], which does not continue i32 [3, 4] along axis 0");
  EXPECT_MESSAGE(concat({x}, 2), ShapeError, "concat: i32 [3, 4] has no axis 2");
  EXPECT_MESSAGE(stack({x, counting({3})}), ShapeError,
                 "stack: part 1 is i32 [3], part 0 is i32 [3, 4]");
  EXPECT_MESSAGE(gather(x, 1, x.to(Dtype::kF32)), DtypeError,
                 "gather: the index is i32, got f32 [3, 4]");
  EXPECT_MESSAGE(gather(x, 1, counting({4, 1})), ShapeError,
                 "gather: index i32 [4, 1] does not fit into i32 [3, 4] beside axis 1");
  EXPECT_MESSAGE(gather(x, 1, counting({3, 2})), ShapeError,
                 "gather: index[2, 0] is 4, not in [0, 4)");
  EXPECT_MESSAGE(take(x, index_of({0, -1})), ShapeError, "take: index[1] is -1, not in [0, 3)");
  EXPECT_MESSAGE(take(x, x), ShapeError, "take: the index has one axis, got i32 [3, 4]");
  EXPECT_MESSAGE(one_hot(index_of({3}), 3), ShapeError, "one_hot: index[0] is 3, not in [0, 3)");
  EXPECT_MESSAGE(masked_fill(x, counting({2, 3, 4}), 0), ShapeError,
                 "masked_fill: mask i32 [2, 3, 4] is larger than i32 [3, 4]");
  EXPECT_MESSAGE(masked_fill(x, x, 0.5), DtypeError, "masked_fill: i32 cannot hold 0.5");
  EXPECT_MESSAGE(arange(0, 1, 0), ShapeError, "arange: a step of 0");
}

}  // namespace
}  // namespace palinode
