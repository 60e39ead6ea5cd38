// x repeated to a shape, as an operand that broadcasts is (NumPy); written out.
//   gradient   dx = dy summed over the axes along which x was repeated
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("broadcast_to", in);
  return in[0].broadcast_to(attrs.shape).compact();
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {sum_to(dy, saved.inputs[0].shape())};
}

Sample sample(const Rng& rng) {
  const Tensor x = random_broadcasting(rng, 1)[0];
  const Shape whole = random_any_shape(rng);
  return {{x}, {.shape = whole}};
}

}  // namespace

namespace ops {
extern const OpSpec broadcast_to = {"broadcast_to", 1, forward, backward, sample};
}

Var broadcast_to(Var x, const Shape& shape) {
  return x.tape().apply(ops::broadcast_to, {{x}}, {.shape = shape});
}

}  // namespace palinode
