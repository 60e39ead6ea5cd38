// y = 2/sqrt(pi) * integral of e^(-t^2) from 0 to x, element by element.
//   gradient   dx = dy * (2/sqrt(pi) e^(-x^2)), the factor evaluated in f64
//   accuracy   f32 correctly rounded, f64 below 1 ULP
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("erf", in);
  return with_float(in[0].dtype(), "erf", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::erf(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "erf", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      const Tensor x = saved.inputs[0].compact();
      kernels::erf_grad(x.values<T>(), g.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec erf = {"erf", 1, forward, backward, sample};
}

Var erf(Var x) { return x.tape().apply(ops::erf, {{x}}); }

}  // namespace palinode
