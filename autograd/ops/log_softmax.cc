// y[j] = x[j] - max(x) - ln(sum of exp(x - max(x))) along the last axis.
//   gradient   dx[j] = dy[j] - exp(y[j]) * (sum of dy)
//   orders     docs/arithmetic.md, section 6
#include "autograd/ops.h"
#include "tensor/kernels/softmax.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("log_softmax", in);
  const Shape& shape = in[0].shape();
  if (shape.last() == 0) throw_shapes("log_softmax", "the last axis is empty", in);
  return with_float(in[0].dtype(), "log_softmax", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> y) {
      kernels::log_softmax(in[0].compact().values<T>(), shape.rows(), shape.last(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = dy.shape();
  return {with_float(dy.dtype(), "log_softmax", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> dx) {
      kernels::log_softmax_grad(dy.compact().values<T>(), saved.output.values<T>(), shape.rows(),
                                shape.last(), dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec log_softmax = {"log_softmax", 1, forward, backward, sample};
}

Var log_softmax(Var x) { return x.tape().apply(ops::log_softmax, {{x}}); }

}  // namespace palinode
