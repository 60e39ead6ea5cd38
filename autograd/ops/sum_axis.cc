// The sum along one axis, as along the last one, or as along the first (docs/arithmetic.md, section
// 5).
//   gradient   dx = dy, at each place of the axis
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("sum_axis", in);
  const Shape& shape = in[0].shape();
  return sum_over(in[0].compact(), split_at(shape, attrs.axis))
      .reshape(reduced(shape, attrs.axis, attrs.keepdim));
}

// dy for each place of the axis.
Tensor repeated(const Saved& saved, const Tensor& dy) {
  const Shape& shape = saved.inputs[0].shape();
  return dy.reshape(reduced(shape, saved.attrs.axis, true)).broadcast_to(shape).compact();
}

Parts backward(const Saved& saved, const Tensor& dy) { return {repeated(saved, dy)}; }

// Some axis of some shape that has one.
Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank()));
  return {{rng.normal(shape, Dtype::kF64)},
          {.axis = axis, .keepdim = rng.stream("axis").below(1, 2) == 0}};
}

}  // namespace

namespace ops {
extern const OpSpec sum_axis = {"sum_axis", 1, forward, backward, sample};
}

Var sum(Var x, int axis, bool keepdim) {
  const std::size_t place = axis_of("sum", x.value(), axis);
  return x.tape().apply(ops::sum_axis, {{x}}, {.axis = place, .keepdim = keepdim});
}

}  // namespace palinode
