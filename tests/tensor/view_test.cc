// Views, against an array that knows each element by its place.
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/matmul.h"
#include "tensor/rng.h"
#include "tensor/shaping.h"
#include "tensor/tensor.h"
#include "tests/support/bits.h"
#include "tests/support/message.h"

namespace palinode {
namespace {

using Values = std::vector<std::int32_t>;

Tensor counting(const Shape& shape) {
  return arange(static_cast<std::int32_t>(shape.elements())).reshape(shape);
}

Values values_of(const Tensor& tensor) {
  const Tensor compact = tensor.compact();
  const auto values = compact.values<std::int32_t>();
  return {values.begin(), values.end()};
}

const std::int32_t* data_of(const Tensor& tensor) { return tensor.extent<std::int32_t>().data(); }

TEST(View, SliceTakesPlacesOfOneAxis) {
  const Tensor x = counting({3, 4});
  EXPECT_EQ(values_of(x.slice(1, 1, 3)), (Values{1, 2, 5, 6, 9, 10}));
  EXPECT_EQ(values_of(x.slice(1, 0, 4, 2)), (Values{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(values_of(x.slice(1, 1, 4, 2)), (Values{1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(values_of(x.slice(0, 0, 3, 2).slice(1, 3, 4)), (Values{3, 11}));
  EXPECT_EQ(x.slice(0, 1, 3, 100).shape(), (Shape{1, 4}));
  EXPECT_TRUE(x.slice(1, 4, 4).empty());
  EXPECT_TRUE(x.slice(0, 0, 3, 2).slice(0, 2, 2).compact().empty());
}

TEST(View, SharesTheMemory) {
  const Tensor x = counting({3, 4});
  EXPECT_EQ(data_of(x.slice(1, 1, 3)), data_of(x) + 1);
  EXPECT_EQ(data_of(x.permute({1, 0})), data_of(x));
  EXPECT_EQ(data_of(x.broadcast_to({2, 3, 4})), data_of(x));
}

TEST(View, ExtentEndsWithItsLastElement) {
  const Tensor x = counting({3, 4});
  EXPECT_EQ(x.slice(1, 1, 3).extent<std::int32_t>().size(), 10U);
  EXPECT_EQ(x.slice(1, 0, 1).broadcast_to({3, 7}).extent<std::int32_t>().size(), 9U);
  EXPECT_EQ(counting({1}).broadcast_to({5}).extent<std::int32_t>().size(), 1U);
}

TEST(View, KnowsWhetherItIsContiguous) {
  const Tensor x = counting({3, 4});
  EXPECT_TRUE(x.slice(0, 1, 3).contiguous());
  EXPECT_TRUE(x.slice(0, 1, 2).slice(1, 1, 3).contiguous());
  EXPECT_FALSE(x.slice(1, 0, 3).contiguous());
  EXPECT_FALSE(counting({1}).broadcast_to({2}).contiguous());
  EXPECT_TRUE(counting({1}).broadcast_to({1, 1}).contiguous());
  EXPECT_TRUE(x.slice(1, 1, 1).transpose().contiguous());
}

TEST(View, PermuteAndTransposeExchangeAxes) {
  const Tensor x = counting({2, 3, 2});
  EXPECT_EQ(x.permute({2, 0, 1}).shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(values_of(x.permute({2, 0, 1})), (Values{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}));
  EXPECT_EQ(values_of(x.transpose(0, 2)), (Values{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11}));
  EXPECT_EQ(values_of(x.permute({0, 1, 2})), values_of(x));
  EXPECT_EQ(Tensor::scalar(1).permute({}).item(), 1);
}

TEST(View, SqueezeTakesBackUnsqueeze) {
  const Tensor x = counting({2, 3});
  for (std::size_t axis = 0; axis <= 2; ++axis) {
    const Tensor wide = x.unsqueeze(axis);
    EXPECT_EQ(wide.shape()[axis], 1U);
    EXPECT_EQ(wide.squeeze(axis).shape(), x.shape());
    EXPECT_EQ(values_of(wide), values_of(x));
  }
}

TEST(View, BroadcastRepeats) {
  EXPECT_EQ(values_of(counting({3}).broadcast_to({2, 3})), (Values{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(values_of(counting({2, 1}).broadcast_to({2, 3})), (Values{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(values_of(counting({2, 1}).broadcast_to({2, 2, 2})), (Values{0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_TRUE(counting({1, 3}).broadcast_to({0, 3}).empty());
}

TEST(View, SplitsIntoSlices) {
  const PoolVector<Tensor> parts = counting({2, 4}).split(1, {1, 0, 3});
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(values_of(parts[0]), (Values{0, 4}));
  EXPECT_EQ(parts[1].shape(), (Shape{2, 0}));
  EXPECT_EQ(values_of(parts[2]), (Values{1, 2, 3, 5, 6, 7}));
}

TEST(View, ReshapeCopiesOnlyWhereStridesCannotSayIt) {
  const Tensor rows = counting({4, 12}).slice(1, 4, 10);
  EXPECT_EQ(data_of(rows.reshape({2, 2, 3, 2})), data_of(rows));
  EXPECT_EQ(data_of(rows.reshape({1, 4, 1, 6, 1})), data_of(rows));
  EXPECT_NE(data_of(rows.reshape({24})), data_of(rows));
  EXPECT_NE(data_of(rows.reshape({8, 3}).reshape({3, 8})), data_of(rows));
  const Tensor one = counting({1}).broadcast_to({6});
  EXPECT_EQ(data_of(one.reshape({2, 3})), data_of(one));
}

// Every shape of some elements as a product of at most `rank` extents.
void for_each_shape(std::size_t elements, std::size_t rank, std::vector<std::size_t> extents,
                    const auto& visit) {
  if (elements == 1) visit(Shape(std::span<const std::size_t>(extents)));
  if (extents.size() == rank) return;
  for (std::size_t extent = 1; extent <= elements; ++extent) {
    if (elements % extent != 0) continue;
    extents.push_back(extent);
    for_each_shape(elements / extent, rank, extents, visit);
    extents.pop_back();
  }
}

TEST(View, ReshapeOfAnyViewHasItsValuesInRowMajorOrder) {
  const Tensor x = counting({4, 6, 2});
  for (const Tensor& view : {x, x.permute({2, 0, 1}), x.slice(1, 1, 4), x.slice(1, 0, 6, 2),
                             x.transpose(0, 1), x.slice(2, 1, 2).broadcast_to({4, 6, 2}),
                             x.slice(0, 0, 1).broadcast_to({2, 6, 2}), x.slice(0, 1, 4, 2)}) {
    for_each_shape(view.elements(), 4, {}, [&](const Shape& shape) {
      EXPECT_EQ(values_of(view.reshape(shape)), values_of(view)) << shape.to_string();
    });
  }
}

// Random views of views: element by element what the places say.
TEST(View, CompactAgreesWithAWalkByPlaces) {
  const Rng rng = Rng(5).stream("views");
  std::uint64_t at = 0;
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(rng.below(at++, n)); };
  const auto check = [&]<class T>(const Tensor& whole) {
    Tensor view = whole;
    for (int op = 0; op < 4; ++op) {
      const std::size_t axis = below(view.shape().rank());
      const std::size_t begin = below(view.shape()[axis]);
      if (below(2) == 0) view = view.transpose(axis, below(view.shape().rank()));
      if (below(3) == 0)
        view =
            view.slice(axis, std::min(begin, view.shape()[axis]), view.shape()[axis], 1 + below(3));
      if (view.shape().rank() < 6 && below(4) == 0) {
        view = view.unsqueeze(axis);
        std::vector<std::size_t> extents(view.shape().extents().begin(),
                                         view.shape().extents().end());
        extents[axis] = 3;
        view = view.broadcast_to(Shape(std::span<const std::size_t>(extents)));
      }
      if (view.empty()) return;
    }
    const Tensor compact = view.copy();
    const auto got = compact.values<T>();
    const auto memory = view.extent<T>();
    for (std::size_t i = 0; i < got.size(); ++i) {
      std::size_t rest = i, offset = 0;
      for (std::size_t axis = view.shape().rank(); axis-- > 0;) {
        offset += rest % view.shape()[axis] * view.stride(axis);
        rest /= view.shape()[axis];
      }
      ASSERT_EQ(got[i], memory[offset]) << view.describe() << " at " << i;
    }
  };
  for (int trial = 0; trial < 200; ++trial) {
    const Tensor x = counting({1 + below(5), 1 + below(70), 1 + below(3), 1 + below(40)});
    check.operator()<std::int32_t>(x);
    check.operator()<double>(x.to(Dtype::kF64));
    check.operator()<BFloat16>(x.to(Dtype::kBf16));
  }
}

TEST(View, IsWhatTheMatrixProductReads) {
  const Rng rng(7);
  const Tensor x = rng.stream("x").normal({9, 3, 20}, Dtype::kF32);
  const Tensor w = rng.stream("w").normal({1, 5}, Dtype::kF32);
  const auto product = [](const Tensor& a, const Tensor& b) {
    const auto view = [](const Tensor& m) {
      return kernels::MatrixView<float>{m.extent<float>(), m.shape()[0], m.shape()[1], m.stride(0),
                                        m.stride(1)};
    };
    std::vector<float> c(a.shape()[0] * b.shape()[1]);
    kernels::matmul<float>(view(a), view(b), {}, c);
    return c;
  };
  for_each_simd([&] {
    for (const Tensor& a : {x.slice(1, 1, 2).squeeze(1).slice(1, 3, 20, 2),
                            x.slice(0, 0, 1).squeeze(0).slice(1, 0, 1).broadcast_to({3, 9}),
                            x.slice(2, 4, 5).squeeze(2).slice(0, 2, 3).broadcast_to({11, 3})}) {
      const Tensor b = w.broadcast_to({a.shape()[1], 5});
      EXPECT_SAME_BITS(product(a, b), product(a.copy(), b.copy()));
    }
  });
}

TEST(View, NamesWhatDoesNotFit) {
  const Tensor x = counting({4, 2});
  EXPECT_MESSAGE(x.slice(2, 0, 1), ShapeError, "slice: i32 [4, 2] has no axis 2");
  EXPECT_MESSAGE(x.slice(0, 3, 5), ShapeError, "slice: [3, 5) is not inside axis 0 of i32 [4, 2]");
  EXPECT_MESSAGE(x.slice(0, 3, 2), ShapeError, "slice: [3, 2) is not inside axis 0 of i32 [4, 2]");
  EXPECT_MESSAGE(x.slice(0, 0, 2, 0), ShapeError, "slice: a step of 0");
  EXPECT_MESSAGE(x.transpose(0, 2), ShapeError, "transpose: i32 [4, 2] has no axis 2");
  EXPECT_MESSAGE(x.permute({0}), ShapeError,
                 "permute: [0] is no order of the 2 axes of i32 [4, 2]");
  EXPECT_MESSAGE(x.permute({1, 1}), ShapeError,
                 "permute: [1, 1] is no order of the 2 axes of i32 [4, 2]");
  EXPECT_MESSAGE(x.unsqueeze(3), ShapeError, "unsqueeze: i32 [4, 2] has no place 3 for an axis");
  EXPECT_MESSAGE(x.squeeze(1), ShapeError, "squeeze: axis 1 of i32 [4, 2] is 2, not 1");
  EXPECT_MESSAGE(x.broadcast_to({2}), ShapeError,
                 "broadcast_to: i32 [4, 2] does not broadcast to [2]: fewer axes");
  EXPECT_MESSAGE(x.broadcast_to({3, 4, 3}), ShapeError,
                 "broadcast_to: i32 [4, 2] does not broadcast to [3, 4, 3]: axis 1 is 2 and not 3");
  EXPECT_MESSAGE(x.split(0, {1, 2}), ShapeError,
                 "split: sizes [1, 2] do not add up to axis 0 of i32 [4, 2]");
  EXPECT_THROW(x.split(0, {5}), ShapeError);
  EXPECT_THROW(x.split(0, {4, ~std::size_t{0}}), ShapeError);
}

}  // namespace
}  // namespace palinode
