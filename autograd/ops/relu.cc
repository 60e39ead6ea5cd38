// y = x <= 0 ? 0 : x, element by element; a NaN stays.
//   gradient   dx = x <= 0 ? 0 : dy
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("relu", in);
  return with_float(in[0].dtype(), "relu", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::relu(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "relu", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      const Tensor x = saved.inputs[0].compact();
      kernels::relu_grad(x.values<T>(), g.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) {
  // Away from the kink, where a finite difference means nothing.
  const Shape shape = random_shape(rng);
  const Tensor draw = rng.normal(shape, Dtype::kF64);
  return {{filled<double>(shape,
                          [&](std::span<double> x) {
                            const std::span<const double> z = draw.values<double>();
                            for (std::size_t i = 0; i < x.size(); ++i) {
                              x[i] = z[i] < 0 ? z[i] - 0.1 : z[i] + 0.1;
                            }
                          })},
          {}};
}

}  // namespace

namespace ops {
extern const OpSpec relu = {"relu", 1, forward, backward, sample};
}

Var relu(Var x) { return x.tape().apply(ops::relu, {{x}}); }

}  // namespace palinode
