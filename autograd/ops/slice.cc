// The places [begin, end) of one axis. A view: nothing is copied.
//   gradient   dx = dy at those places, +0 elsewhere
#include <algorithm>
#include <array>

#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("slice", in);
  return in[0].slice(attrs.axis, attrs.begin, attrs.end);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = saved.inputs[0].shape();
  const std::size_t axis = saved.attrs.axis;
  const auto zeros = [&](std::size_t extent) {
    std::array<std::size_t, Shape::kMaxRank> extents{};
    std::ranges::copy(shape.extents(), extents.begin());
    extents[axis] = extent;
    return Tensor::zeros(Shape(std::span<const std::size_t>(extents.data(), shape.rank())),
                         dy.dtype());
  };
  const std::size_t after = shape[axis] - saved.attrs.end;
  return {concat({zeros(saved.attrs.begin), dy, zeros(after)}, axis)};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank()));
  const auto begin = static_cast<std::size_t>(rng.stream("axis").below(1, shape[axis] + 1));
  const auto left = rng.stream("axis").below(2, shape[axis] - begin + 1);
  return {{rng.normal(shape, Dtype::kF64)},
          {.axis = axis, .begin = begin, .end = begin + static_cast<std::size_t>(left)}};
}

}  // namespace

namespace ops {
extern const OpSpec slice = {"slice", 1, forward, backward, sample};
}

Var slice(Var x, int axis, std::size_t begin, std::size_t end) {
  const std::size_t place = axis_of("slice", x.value(), axis);
  return x.tape().apply(ops::slice, {{x}}, {.axis = place, .begin = begin, .end = end});
}

}  // namespace palinode
