// y = x sigmoid(x), element by element: SiLU, or swish.
//   gradient   dx = dy * (s * (1 + x * (1 - s))), s = sigmoid(x)
//   accuracy   correctly rounded in f32, the slope too
//   source     Elfwing, Uchibe, Doya, arXiv:1702.03118
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("silu", {kernels::silu, kernels::silu_fast, kernels::silu}, in[0], attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("silu", {kernels::silu_grad, kernels::silu_grad_fast, kernels::silu_grad},
              saved.inputs[0], dy, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_any_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec silu = {"silu", 1, forward, backward, sample};
}

Var silu(Var x, Precision precision) {
  return x.tape().apply(ops::silu, {{x}}, {.precision = precision});
}

}  // namespace palinode
