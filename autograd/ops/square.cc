// y = x * x, element by element.
//   gradient   dx = dy * (x + x)
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("square", in);
  const Tensor x = in[0].compact();
  return with_float(x.dtype(), "square", [&]<class T>() {
    return filled<T>(x.shape(),
                     [&](std::span<T> y) { kernels::mul<T>(x.values<T>(), x.values<T>(), y); });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor x = saved.inputs[0].compact(), g = dy.compact();
  return {with_float(dy.dtype(), "square", [&]<class T>() {
    return filled<T>(x.shape(), [&](std::span<T> dx) {
      kernels::add<T>(x.values<T>(), x.values<T>(), dx);
      kernels::mul<T>(g.values<T>(), dx, dx);
    });
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_any_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec square = {"square", 1, forward, backward, sample};
}

Var square(Var x) { return x.tape().apply(ops::square, {{x}}); }

}  // namespace palinode
