// y = 1 / (1 + e^-x), element by element.
//   gradient   dx = dy * (y * (1 - y))
//   accuracy   f32 correctly rounded, f64 below 1 ULP
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("sigmoid", in);
  return with_float(in[0].dtype(), "sigmoid", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::sigmoid(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "sigmoid", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      kernels::sigmoid_grad(g.values<T>(), saved.output.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec sigmoid = {"sigmoid", 1, forward, backward, sample};
}

Var sigmoid(Var x) { return x.tape().apply(ops::sigmoid, {{x}}); }

}  // namespace palinode
