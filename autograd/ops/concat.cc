// One operand after the other along one axis.
//   gradient   the places of each operand in dy, a view
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("concat", in);
  return concat(in, attrs.axis);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  Parts gradients;
  std::size_t begin = 0;
  for (const Tensor& input : saved.inputs) {
    const std::size_t end = begin + input.shape()[saved.attrs.axis];
    gradients.push_back(dy.slice(saved.attrs.axis, begin, end));
    begin = end;
  }
  return gradients;
}

Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank()));
  const std::size_t count = 1 + rng.stream("count").below(0, 3);
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
    extents[axis] = static_cast<std::size_t>(rng.stream("count").below(1 + i, 4));
    parts.push_back(rng.stream(i).normal(Shape(extents), Dtype::kF64));
  }
  return {parts, {.axis = axis}};
}

}  // namespace

namespace ops {
extern const OpSpec concat = {"concat", kVariadic, forward, backward, sample};
}

Var concat(std::span<const Var> parts, int axis) {
  PALINODE_ASSERT(!parts.empty());
  const std::size_t place = axis_of("concat", parts[0].value(), axis);
  return parts[0].tape().apply(ops::concat, parts, {.axis = place});
}

Var concat(std::initializer_list<Var> parts, int axis) {
  return concat(std::span(parts.begin(), parts.size()), axis);
}

}  // namespace palinode
