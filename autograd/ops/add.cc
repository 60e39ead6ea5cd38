// y = a + b, element by element, same shapes.
//   gradient   da = dy, db = dy
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_shape("add", in);
  return with_float(in[0].dtype(), "add", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      kernels::add(in[0].compact().values<T>(), in[1].compact().values<T>(), y);
    });
  });
}

Parts backward(const Saved&, const Tensor& dy) { return {dy, dy}; }

Sample sample(const Rng& rng) {
  const Shape shape = random_shape(rng);
  return {{rng.stream("a").normal(shape, Dtype::kF64), rng.stream("b").normal(shape, Dtype::kF64)},
          {}};
}

}  // namespace

namespace ops {
extern const OpSpec add = {"add", 2, forward, backward, sample};
}

Var add(Var a, Var b) { return a.tape().apply(ops::add, {{a, b}}); }

}  // namespace palinode
