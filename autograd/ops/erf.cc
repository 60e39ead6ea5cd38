// y = 2/sqrt(pi) * integral of e^(-t^2) from 0 to x, element by element.
//   gradient   dx = dy * (2/sqrt(pi) e^(-x^2)), the factor evaluated in f64
//   accuracy   f32 correctly rounded (fast: 1.10 ULP), f64 below 1 ULP
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/gradients.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("erf", {kernels::erf, kernels::erf_fast, kernels::erf}, in[0], attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("erf", {kernels::erf_grad, kernels::erf_grad_fast, kernels::erf_grad},
              saved.inputs[0], dy, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec erf = {"erf", 1, forward, backward, sample};
}

Var erf(Var x, Precision precision) {
  return x.tape().apply(ops::erf, {{x}}, {.precision = precision});
}

}  // namespace palinode
