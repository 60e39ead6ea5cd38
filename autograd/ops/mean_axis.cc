// The mean along one axis: the sum (docs/arithmetic.md, section 5) divided by the extent.
//   gradient   dx = dy / n, at each place of the axis
#include <array>

#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

// x / n.
Tensor divided(const Tensor& x, std::size_t n) {
  const Tensor count = Tensor::scalar(static_cast<double>(n), x.dtype());
  return broadcast("mean", kernels::Binary::kDiv, std::array{x, count});
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("mean_axis", in);
  if (in[0].shape()[attrs.axis] == 0) throw_shapes("mean", "the mean of nothing", in);
  const Shape& shape = in[0].shape();
  const Tensor sum = sum_over(in[0].compact(), split_at(shape, attrs.axis));
  return divided(sum.reshape(reduced(shape, attrs.axis, attrs.keepdim)), shape[attrs.axis]);
}

// dy for each place of the axis.
Tensor repeated(const Saved& saved, const Tensor& dy) {
  const Shape& shape = saved.inputs[0].shape();
  return dy.reshape(reduced(shape, saved.attrs.axis, true)).broadcast_to(shape).compact();
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {repeated(saved, divided(dy, saved.inputs[0].shape()[saved.attrs.axis]))};
}

// Some axis of some shape that has one.
Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank()));
  return {{rng.normal(shape, Dtype::kF64)},
          {.axis = axis, .keepdim = rng.stream("axis").below(1, 2) == 0}};
}

}  // namespace

namespace ops {
extern const OpSpec mean_axis = {"mean_axis", 1, forward, backward, sample};
}

Var mean(Var x, int axis, bool keepdim) {
  const std::size_t place = axis_of("mean", x.value(), axis);
  return x.tape().apply(ops::mean_axis, {{x}}, {.axis = place, .keepdim = keepdim});
}

}  // namespace palinode
