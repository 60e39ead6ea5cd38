// y = x Phi(x), Phi the normal distribution function, element by element: GELU.
//   gradient   dx = dy * (Phi(x) + x phi(x)), as in docs/arithmetic.md, section 5
//   accuracy   f32 correctly rounded (fast: 1.25 ULP), f64 below 1 ULP
//   source     Hendrycks and Gimpel, arXiv:1606.08415
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("gelu", {kernels::gelu, kernels::gelu_fast, kernels::gelu}, in[0], attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("gelu", {kernels::gelu_grad, kernels::gelu_grad_fast, kernels::gelu_grad},
              saved.inputs[0], dy, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec gelu = {"gelu", 1, forward, backward, sample};
}

Var gelu(Var x, Precision precision) {
  return x.tape().apply(ops::gelu, {{x}}, {.precision = precision});
}

}  // namespace palinode
