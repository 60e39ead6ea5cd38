// y = the maximum of each window of x, channels last: x [n, h, w, c] -> [n, h_out, w_out, c].
//   gradient   dx = dy at the place of each maximum, the first in row-major order
//   order      docs/arithmetic.md, section 2b
#include "autograd/op_pool.h"
#include "autograd/ops.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept& kept) {
  const kernels::PoolShape s = pool_shape("max_pool2d", in, attrs.pool);
  const Shape shape = {s.n, s.h.out(), s.w.out(), s.c};
  return with_float(in[0].dtype(), "max_pool2d", [&]<class T>() {
    TensorBuilder place(shape, in[0].dtype());
    Tensor y = filled<T>(shape, [&](std::span<T> out) {
      kernels::max_pool<T>(s, in[0].compact().values<T>(), out, place.values<T>());
    });
    kept.push_back(std::move(place).build());
    return y;
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const kernels::PoolShape s = pool_shape("max_pool2d", saved.inputs, saved.attrs.pool);
  return {with_float(dy.dtype(), "max_pool2d", [&]<class T>() {
    return filled<T>(saved.inputs[0].shape(), [&](std::span<T> dx) {
      kernels::max_pool_grad<T>(s, dy.compact().values<T>(), saved.kept[0].values<T>(), dx);
    });
  })};
}

}  // namespace

namespace ops {
extern const OpSpec max_pool2d = {"max_pool2d", 1, forward, backward, pool_sample};
}

Var max_pool2d(Var x, const PoolSteps& steps) {
  return x.tape().apply(ops::max_pool2d, {{x}}, {.pool = steps});
}

}  // namespace palinode
