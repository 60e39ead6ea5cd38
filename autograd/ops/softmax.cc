// y[j] = exp(x[j] - max(x)) / (sum of exp(x - max(x))) along the last axis.
//   gradient   dx[j] = y[j] * (dy[j] - (sum of dy * y))
//   orders     docs/arithmetic.md, section 6
#include "tensor/kernels/softmax.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("softmax", in);
  const Shape& shape = in[0].shape();
  if (shape.last() == 0) throw_shapes("softmax", "the last axis is empty", in);
  return with_float(in[0].dtype(), "softmax", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> y) {
      kernels::softmax(in[0].compact().values<T>(), shape.rows(), shape.last(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = dy.shape();
  return {with_float(dy.dtype(), "softmax", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> dx) {
      kernels::softmax_grad(dy.compact().values<T>(), saved.output.values<T>(), shape.rows(),
                            shape.last(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_rows_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec softmax = {"softmax", 1, forward, backward, sample};
}

Var softmax(Var x) { return x.tape().apply(ops::softmax, {{x}}); }

}  // namespace palinode
