#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

#include "tensor/error.h"
#include "tensor/pool.h"
#include "tensor/storage.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values(shape.elements());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::from<float>(values, shape);
}

std::vector<float> values_of(const Tensor& tensor) {
  const Tensor compact = tensor.compact();
  const std::span<const float> values = compact.values<float>();
  return {values.begin(), values.end()};
}

TEST(Tensor, HandsOutReadOnlyValuesOnly) {
  const Tensor tensor = counting({2});
  static_assert(std::is_same_v<decltype(tensor.values<float>()), std::span<const float>>);
  Tensor handle = tensor;  // even through a handle that is not const
  static_assert(std::is_same_v<decltype(handle.values<float>()), std::span<const float>>);
  static_assert(std::is_same_v<decltype(handle.extent<float>()), std::span<const float>>);
}

TEST(TensorBuilder, CannotBeCopied) {
  static_assert(!std::is_copy_constructible_v<TensorBuilder>);
  static_assert(!std::is_copy_assignable_v<TensorBuilder>);
}

TEST(Tensor, IsAlignedForTheWidestVector) {
  const Tensor tensor = counting({5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.values<float>().data()) % 64, 0U);
}

TEST(Tensor, TransposeIsAViewOfTheSameValues) {
  const Tensor tensor = counting({2, 3});
  const Tensor view = tensor.transpose();
  EXPECT_EQ(view.shape(), (Shape{3, 2}));
  EXPECT_FALSE(view.contiguous());
  EXPECT_EQ(view.extent<float>().data(), tensor.values<float>().data());
  EXPECT_EQ(values_of(view), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(Tensor, TransposeExchangesTheLastTwoAxes) {
  const Tensor view = counting({2, 2, 3}).transpose();
  EXPECT_EQ(view.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(values_of(view), (std::vector<float>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  EXPECT_MESSAGE(counting({2}).transpose(), ShapeError, "transpose: needs two axes, got f32 [2]");
}

TEST(Tensor, RowsAreAView) {
  const Tensor view = counting({4, 2}).rows(1, 3);
  EXPECT_EQ(values_of(view), (std::vector<float>{2, 3, 4, 5}));
  EXPECT_EQ(values_of(view.transpose()), (std::vector<float>{2, 4, 3, 5}));
}

TEST(Tensor, AnEmptyViewHasNoValues) {
  EXPECT_TRUE(counting({4, 2}).rows(2, 2).compact().values<float>().empty());
}

TEST(Tensor, ConvertsToNearest) {
  const Tensor wide = Tensor::full<double>({1}, 0.1);
  EXPECT_EQ(wide.to(Dtype::kF32).values<float>()[0], 0.1F);
  EXPECT_EQ(wide.to(Dtype::kF64).values<double>().data(), wide.values<double>().data());
}

TEST(Tensor, NamesWhatIsWrongWithAReshape) {
  EXPECT_MESSAGE(counting({2, 3}).reshape({4}), ShapeError,
                 "reshape: f32 [2, 3] has 6 elements, [4] has 4");
}

TEST(Tensor, NamesTheTypesOfAMismatchedRead) {
  EXPECT_MESSAGE(counting({2}).values<double>(), DtypeError,
                 "values: the tensor holds f32, asked for as f64");
}

TEST(Tensor, RefusesToReadAStridedViewAsContiguous) {
  EXPECT_THROW(counting({2, 3}).transpose().values<float>(), ShapeError);
}

TEST(Tensor, RefusesRowsOutsideTheTensor) {
  EXPECT_MESSAGE(counting({4, 2}).rows(3, 5), ShapeError, "rows: [3, 5) is not inside f32 [4, 2]");
}

TEST(Pool, TakesABlockBackAndGivesItOutAgain) {
  std::byte* const first = take_block(1000);
  give_block(first, 1000);
  const std::size_t pooled = pooled_bytes();
  if (pooled == 0) GTEST_SKIP() << "built with AddressSanitizer, without a pool";
  std::byte* const second = take_block(1000);
  EXPECT_EQ(second, first);
  EXPECT_EQ(pooled - pooled_bytes(), 1024U);
  give_block(second, 1000);
}

TEST(Pool, WastesAtMostAFifthOfABlock) {
  if (pooled_bytes() == 0) GTEST_SKIP() << "built with AddressSanitizer, without a pool";
  for (std::size_t bytes = 256; bytes < (std::size_t{1} << 22); bytes += bytes / 7 + 1) {
    std::byte* const block = take_block(bytes);
    const std::size_t before = pooled_bytes();
    give_block(block, bytes);
    const std::size_t size = pooled_bytes() - before;
    EXPECT_GE(size, bytes);
    EXPECT_LE(size, bytes + bytes / 4 + 64) << bytes;
  }
}

}  // namespace
}  // namespace palinode
