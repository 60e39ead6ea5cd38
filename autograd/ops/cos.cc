// y = cos(x), element by element.
//   gradient   dx = -(dy * sin(x))
//   accuracy   f32 correctly rounded, f64 below 1 ULP
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("cos", in);
  return with_float(in[0].dtype(), "cos", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::cos(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "cos", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      const Tensor x = saved.inputs[0].compact();
      kernels::cos_grad(x.values<T>(), g.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec cos = {"cos", 1, forward, backward, sample};
}

Var cos(Var x) { return x.tape().apply(ops::cos, {{x}}); }

}  // namespace palinode
