// The same numbers in row-major order under another shape. A view, unless x is strided.
//   gradient   dx = dy, in the shape of x
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("reshape", in);
  return in[0].reshape(attrs.shape);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {dy.reshape(saved.inputs[0].shape())};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_shape(rng);
  return {{rng.normal(shape, Dtype::kF64)}, {.shape = {shape[1], 1, shape[0]}}};
}

}  // namespace

namespace ops {
extern const OpSpec reshape = {"reshape", 1, forward, backward, sample};
}

Var reshape(Var x, const Shape& shape) {
  return x.tape().apply(ops::reshape, {{x}}, {.shape = shape});
}

}  // namespace palinode
