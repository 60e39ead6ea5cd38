// y = 1 / (1 + e^-x), element by element.
//   gradient   dx = dy * (y * (1 - y))
//   accuracy   f32 correctly rounded (fast: 1.05 ULP), f64 below 1 ULP
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("sigmoid", {kernels::sigmoid, kernels::sigmoid_fast, kernels::sigmoid}, in[0],
             attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("sigmoid", {kernels::sigmoid_grad, kernels::sigmoid_grad, kernels::sigmoid_grad}, dy,
              saved.output, saved.attrs.precision)};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec sigmoid = {"sigmoid", 1, forward, backward, sample};
}

Var sigmoid(Var x, Precision precision) {
  return x.tape().apply(ops::sigmoid, {{x}}, {.precision = precision});
}

}  // namespace palinode
