// y = tanh(x), element by element.
//   gradient   dx = dy * ((1 - y) * (1 + y)): the factored form keeps its digits when |y| is close
//   to 1 accuracy   f32 correctly rounded, f64 below 2 ULP
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("tanh", in);
  return with_float(in[0].dtype(), "tanh", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::tanh(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "tanh", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      kernels::tanh_grad(g.values<T>(), saved.output.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec tanh = {"tanh", 1, forward, backward, sample};
}

Var tanh(Var x) { return x.tape().apply(ops::tanh, {{x}}); }

}  // namespace palinode
