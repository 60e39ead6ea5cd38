// y = a / b, element by element; the operands broadcast.
//   gradient   da = dy / b, db = -((dy * y) / b), each summed over the axes along which it was
//              repeated; db is negated after that
#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  return broadcast("div", kernels::Binary::kDiv, in);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor& b = saved.inputs[1];
  Parts gradients(2);
  if (saved.needed[0]) {
    const Tensor part = broadcast("div", kernels::Binary::kDiv, std::array{dy, b});
    gradients[0] = sum_to(part, saved.inputs[0].shape());
  }
  if (saved.needed[1]) {
    const Tensor product = broadcast("div", kernels::Binary::kMul, std::array{dy, saved.output});
    const Tensor part = broadcast("div", kernels::Binary::kDiv, std::array{product, b});
    const Tensor total = sum_to(part, b.shape());
    gradients[1] = with_float(dy.dtype(), "div", [&]<class T>() {
      return filled<T>(total.shape(),
                       [&](std::span<T> y) { kernels::scale(total.values<T>(), T{-1}, y); });
    });
  }
  return gradients;
}

Sample sample(const Rng& rng) {
  std::vector<Tensor> operands = random_broadcasting(rng, 2);
  // Away from the pole, where a finite difference means little.
  operands[1] = rng.stream("divisor").uniform(operands[1].shape(), Dtype::kF64, 0.5, 2.0);
  return {operands, {}};
}

}  // namespace

namespace ops {
extern const OpSpec div = {"div", 2, forward, backward, sample};
}

Var div(Var a, Var b) { return a.tape().apply(ops::div, {{a, b}}); }

}  // namespace palinode
