// y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), element by element: the tanh form of GELU.
//   gradient   docs/arithmetic.md, section 5
//   accuracy   f32 correctly rounded, f64 below 1 ULP
//   source     Hendrycks and Gimpel, arXiv:1606.08415, section 2
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("gelu_tanh", in);
  return with_float(in[0].dtype(), "gelu_tanh", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::gelu_tanh(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "gelu_tanh", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      const Tensor x = saved.inputs[0].compact();
      kernels::gelu_tanh_grad(x.values<T>(), g.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec gelu_tanh = {"gelu_tanh", 1, forward, backward, sample};
}

Var gelu_tanh(Var x) { return x.tape().apply(ops::gelu_tanh, {{x}}); }

}  // namespace palinode
