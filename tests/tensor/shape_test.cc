#include "tensor/shape.h"

#include <gtest/gtest.h>

#include "tensor/error.h"

namespace palinode {
namespace {

TEST(Shape, CountsElementsAndRows) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.elements(), 24U);
  EXPECT_EQ(shape.rows(), 6U);
  EXPECT_EQ(shape.last(), 4U);
  EXPECT_EQ(shape.to_string(), "[2, 3, 4]");
}

TEST(Shape, OfAScalarHasNoAxesAndOneElement) {
  EXPECT_EQ(Shape{}.rank(), 0U);
  EXPECT_EQ(Shape{}.elements(), 1U);
}

TEST(Shape, WithAnEmptyAxisHasNoElements) { EXPECT_EQ((Shape{3, 0, 5}.elements()), 0U); }

TEST(Shape, RefusesMoreElementsThanMemoryCanHold) {
  const std::size_t big = std::size_t{1} << 40;
  EXPECT_THROW((Shape{big, big}), ShapeError);
}

TEST(Shape, RefusesMoreThanEightAxes) {
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError);
}

TEST(Dtype, IsThatOfTheElementType) {
  EXPECT_EQ(dtype_of<float>(), Dtype::kF32);
  EXPECT_EQ(dtype_of<double>(), Dtype::kF64);
  EXPECT_EQ(dtype_of<std::int32_t>(), Dtype::kI32);
  EXPECT_EQ(dtype_of<BFloat16>(), Dtype::kBf16);
  EXPECT_EQ(dtype_of<Float16>(), Dtype::kF16);
}

}  // namespace
}  // namespace palinode
