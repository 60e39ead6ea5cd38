// y = sum of all elements, in row-major order.
//   gradient   dx = dy, everywhere
//   order      docs/arithmetic.md, section 3
#include "autograd/ops.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("sum", in);
  return with_float(in[0].dtype(), "sum", [&]<class T>() {
    return Tensor::full<T>({}, kernels::sum<T>(in[0].compact().values<T>()));
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor& x = saved.inputs[0];
  return {with_float(dy.dtype(), "sum",
                     [&]<class T>() { return Tensor::full<T>(x.shape(), dy.values<T>()[0]); })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec sum = {"sum", 1, forward, backward, sample};
}

Var sum(Var x) { return x.tape().apply(ops::sum, {{x}}); }

}  // namespace palinode
