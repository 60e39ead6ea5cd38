// y = the mean of each window of x, channels last: x [n, h, w, c] -> [n, h_out, w_out, c].
//   gradient   dx = dy / (places of a window) at all places of the window; padding counts
//   order      docs/arithmetic.md, section 2b
#include "autograd/op_pool.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  const kernels::PoolShape s = pool_shape("avg_pool2d", in, attrs.pool);
  const Shape shape = {s.n, s.h.out(), s.w.out(), s.c};
  return with_float(in[0].dtype(), "avg_pool2d", [&]<class T>() {
    return filled<T>(
        shape, [&](std::span<T> y) { kernels::avg_pool<T>(s, in[0].compact().values<T>(), y); });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const kernels::PoolShape s = pool_shape("avg_pool2d", saved.inputs, saved.attrs.pool);
  return {with_float(dy.dtype(), "avg_pool2d", [&]<class T>() {
    return filled<T>(saved.inputs[0].shape(), [&](std::span<T> dx) {
      kernels::avg_pool_grad<T>(s, dy.compact().values<T>(), dx);
    });
  })};
}

}  // namespace

namespace ops {
extern const OpSpec avg_pool2d = {"avg_pool2d", 1, forward, backward, pool_sample};
}

Var avg_pool2d(Var x, const PoolSteps& steps) {
  return x.tape().apply(ops::avg_pool2d, {{x}}, {.pool = steps});
}

}  // namespace palinode
