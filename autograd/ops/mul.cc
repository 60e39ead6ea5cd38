// y = a * b, element by element; the operands broadcast.
//   gradient   da = dy * b, db = dy * a, each summed over the axes along which it was repeated
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  return broadcast("mul", kernels::Binary::kMul, in);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  Parts gradients(2);
  for (std::size_t k = 0; k < 2; ++k) {
    if (!saved.needed[k]) continue;
    const Tensor product =
        broadcast("mul", kernels::Binary::kMul, std::array{dy, saved.inputs[1 - k]});
    gradients[k] = sum_to(product, saved.inputs[k].shape());
  }
  return gradients;
}

Sample sample(const Rng& rng) { return {random_broadcasting(rng, 2), {}}; }

}  // namespace

namespace ops {
extern const OpSpec mul = {"mul", 2, forward, backward, sample};
}

Var mul(Var a, Var b) { return a.tape().apply(ops::mul, {{a, b}}); }

}  // namespace palinode
