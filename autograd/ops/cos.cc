// y = cos(x), element by element.
//   gradient   dx = -(dy * sin(x))
//   accuracy   f32 correctly rounded (fast: 0.89 ULP), f64 below 1 ULP
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("cos", {kernels::cos, kernels::cos_fast, kernels::cos}, in[0], attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("cos", {kernels::cos_grad, kernels::cos_grad_fast, kernels::cos_grad},
              saved.inputs[0], dy, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec cos = {"cos", 1, forward, backward, sample};
}

Var cos(Var x, Precision precision) {
  return x.tape().apply(ops::cos, {{x}}, {.precision = precision});
}

}  // namespace palinode
