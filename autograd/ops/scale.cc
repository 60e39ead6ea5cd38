// y = factor * x, element by element; the factor is a constant, rounded to x's type.
//   gradient   dx = factor * dy
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor scaled(const Tensor& x, double factor) {
  return with_float(x.dtype(), "scale", [&]<class T>() {
    return filled<T>(x.shape(), [&](std::span<T> y) {
      kernels::scale(x.compact().values<T>(), static_cast<T>(factor), y);
    });
  });
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  return scaled(in[0], attrs.factor);
}

Parts backward(const Saved& saved, const Tensor& dy) { return {scaled(dy, saved.attrs.factor)}; }

Sample sample(const Rng& rng) {
  return {{rng.normal(random_shape(rng), Dtype::kF64)}, {.factor = 0.5 + rng.uniform(0)}};
}

}  // namespace

namespace ops {
extern const OpSpec scale = {"scale", 1, forward, backward, sample};
}

Var scale(Var x, double factor) { return x.tape().apply(ops::scale, {{x}}, {.factor = factor}); }

Var neg(Var x) { return scale(x, -1); }

}  // namespace palinode
