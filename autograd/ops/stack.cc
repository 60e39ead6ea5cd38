// Operands of one shape as the places of a new axis.
//   gradient   its place of the new axis in dy, a view
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("stack", in);
  return stack(in, attrs.axis);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  Parts gradients;
  for (std::size_t i = 0; i < saved.inputs.size(); ++i) {
    gradients.push_back(dy.slice(saved.attrs.axis, i, i + 1).squeeze(saved.attrs.axis));
  }
  return gradients;
}

Sample sample(const Rng& rng) {
  const Shape shape = random_any_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank() + 1));
  const std::size_t count = 1 + rng.stream("count").below(0, 3);
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < count; ++i) {
    parts.push_back(rng.stream(i).normal(shape, Dtype::kF64));
  }
  return {parts, {.axis = axis}};
}

}  // namespace

namespace ops {
extern const OpSpec stack = {"stack", kVariadic, forward, backward, sample};
}

Var stack(std::span<const Var> parts, std::size_t axis) {
  PALINODE_ASSERT(!parts.empty());
  return parts[0].tape().apply(ops::stack, parts, {.axis = axis});
}

Var stack(std::initializer_list<Var> parts, std::size_t axis) {
  return stack(std::span(parts.begin(), parts.size()), axis);
}

}  // namespace palinode
