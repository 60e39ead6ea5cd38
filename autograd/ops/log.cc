// y = ln(x), element by element.
//   gradient   dx = dy / x
//   accuracy   f32 correctly rounded (fast: 0.94 ULP), f64 below 1 ULP
#include "autograd/op_map.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/fast.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return map("log", {kernels::log, kernels::log_fast, kernels::log}, in[0], attrs.precision);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {map("log", {kernels::div, kernels::div, kernels::div}, dy, saved.inputs[0],
              saved.attrs.precision)};
}

Sample sample(const Rng& rng) {
  return {{rng.uniform(random_shape(rng), Dtype::kF64, 0.2, 3.0)}, {}};
}

}  // namespace

namespace ops {
extern const OpSpec log = {"log", 1, forward, backward, sample};
}

Var log(Var x, Precision precision) {
  return x.tape().apply(ops::log, {{x}}, {.precision = precision});
}

}  // namespace palinode
