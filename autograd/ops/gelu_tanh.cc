// y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), element by element: the tanh form of GELU.
//   gradient   docs/arithmetic.md, section 5
//   accuracy   f32 correctly rounded (fast: 1.16 ULP), f64 below 1 ULP
//   source     Hendrycks and Gimpel, arXiv:1606.08415, section 2
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("gelu_tanh", {kernels::gelu_tanh, kernels::gelu_tanh_fast, kernels::gelu_tanh}, in[0],
             attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("gelu_tanh",
              {kernels::gelu_tanh_grad, kernels::gelu_tanh_grad_fast, kernels::gelu_tanh_grad},
              saved.inputs[0], dy, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec gelu_tanh = {"gelu_tanh", 1, forward, backward, sample};
}

Var gelu_tanh(Var x, Precision precision) {
  return x.tape().apply(ops::gelu_tanh, {{x}}, {.precision = precision});
}

}  // namespace palinode
