// y = 1 / sqrt(x), element by element.
//   gradient   dx = (-0.5 * dy) * ((y * y) * y)
//   accuracy   f32 correctly rounded (fast: 1.49 ULP), f64 below 1.5 ULP
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("rsqrt", {kernels::rsqrt, kernels::rsqrt_fast, kernels::rsqrt}, in[0],
             attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("rsqrt", {kernels::rsqrt_grad, kernels::rsqrt_grad, kernels::rsqrt_grad}, dy,
              saved.output, saved.attrs.precision)};
}

Sample sample(const Rng& rng) {
  return {{rng.uniform(random_shape(rng), Dtype::kF64, 0.2, 3.0)}, {}};
}

}  // namespace

namespace ops {
extern const OpSpec rsqrt = {"rsqrt", 1, forward, backward, sample};
}

Var rsqrt(Var x, Precision precision) {
  return x.tape().apply(ops::rsqrt, {{x}}, {.precision = precision});
}

}  // namespace palinode
