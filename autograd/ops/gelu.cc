// y = x Phi(x), Phi the normal distribution function, element by element: GELU.
//   gradient   dx = dy * (Phi(x) + x phi(x)), as in docs/arithmetic.md, section 5
//   accuracy   f32 correctly rounded, f64 below 1 ULP
//   source     Hendrycks and Gimpel, arXiv:1606.08415
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("gelu", in);
  return with_float(in[0].dtype(), "gelu", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::gelu(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "gelu", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      const Tensor x = saved.inputs[0].compact();
      kernels::gelu_grad(x.values<T>(), g.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec gelu = {"gelu", 1, forward, backward, sample};
}

Var gelu(Var x) { return x.tape().apply(ops::gelu, {{x}}); }

}  // namespace palinode
