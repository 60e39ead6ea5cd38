// y = a + b, element by element; the operands broadcast.
//   gradient   da = dy, db = dy, each summed over the axes along which it was repeated
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  return broadcast("add", kernels::Binary::kAdd, in);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  Parts gradients(2);
  for (std::size_t k = 0; k < 2; ++k) {
    if (saved.needed[k]) gradients[k] = sum_to(dy, saved.inputs[k].shape());
  }
  return gradients;
}

Sample sample(const Rng& rng) { return {random_broadcasting(rng, 2), {}}; }

}  // namespace

namespace ops {
extern const OpSpec add = {"add", 2, forward, backward, sample};
}

Var add(Var a, Var b) { return a.tape().apply(ops::add, {{a, b}}); }

}  // namespace palinode
