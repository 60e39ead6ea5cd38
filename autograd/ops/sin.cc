// y = sin(x), element by element.
//   gradient   dx = dy * cos(x)
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
  return map("sin", {kernels::sin, kernels::sin_fast, kernels::sin}, in[0], attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("sin", {kernels::sin_grad, kernels::sin_grad_fast, kernels::sin_grad},
              saved.inputs[0], dy, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec sin = {"sin", 1, forward, backward, sample};
}

Var sin(Var x, Precision precision) {
  return x.tape().apply(ops::sin, {{x}}, {.precision = precision});
}

}  // namespace palinode
