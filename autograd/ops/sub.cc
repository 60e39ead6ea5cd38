// y = a - b, element by element; the operands broadcast.
//   gradient   da = dy, db = -dy, each summed over the axes along which it was repeated, and
//   negated
//              after that
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  return broadcast("sub", kernels::Binary::kSub, in);
}

Tensor negative(const Tensor& x) {
  return with_float(x.dtype(), "sub", [&]<class T>() {
    return filled<T>(x.shape(),
                     [&](std::span<T> y) { kernels::scale(x.compact().values<T>(), T{-1}, y); });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  Parts gradients(2);
  if (saved.needed[0]) gradients[0] = sum_to(dy, saved.inputs[0].shape());
  if (saved.needed[1]) gradients[1] = negative(sum_to(dy, saved.inputs[1].shape()));
  return gradients;
}

Sample sample(const Rng& rng) { return {random_broadcasting(rng, 2), {}}; }

}  // namespace

namespace ops {
extern const OpSpec sub = {"sub", 2, forward, backward, sample};
}

Var sub(Var a, Var b) { return a.tape().apply(ops::sub, {{a, b}}); }

}  // namespace palinode
