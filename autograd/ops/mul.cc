// y = a * b, element by element, same shapes.
//   gradient   da = dy * b, db = dy * a
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

Tensor product(const Tensor& a, const Tensor& b) {
  return with_float(a.dtype(), "mul", [&]<class T>() {
    return filled<T>(a.shape(), [&](std::span<T> y) {
      kernels::mul(a.compact().values<T>(), b.compact().values<T>(), y);
    });
  });
}

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_shape("mul", in);
  return product(in[0], in[1]);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {product(dy, saved.inputs[1]), product(dy, saved.inputs[0])};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_shape(rng);
  return {{rng.stream("a").normal(shape, Dtype::kF64), rng.stream("b").normal(shape, Dtype::kF64)},
          {}};
}

}  // namespace

namespace ops {
extern const OpSpec mul = {"mul", 2, forward, backward, sample};
}

Var mul(Var a, Var b) { return a.tape().apply(ops::mul, {{a, b}}); }

}  // namespace palinode
