// y = mean of all elements: their sum (docs/arithmetic.md, section 3) divided by their number.
//   gradient   dx = dy / n, everywhere
#include "autograd/ops.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("mean", in);
  if (in[0].empty()) throw_shapes("mean", "the mean of nothing", in);
  return with_float(in[0].dtype(), "mean", [&]<class T>() {
    return Tensor::full<T>(
        {}, kernels::sum<T>(in[0].compact().values<T>()) / static_cast<T>(in[0].elements()));
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor& x = saved.inputs[0];
  return {with_float(dy.dtype(), "mean", [&]<class T>() {
    return Tensor::full<T>(x.shape(), dy.values<T>()[0] / static_cast<T>(x.elements()));
  })};
}

Sample sample(const Rng& rng) { return {{rng.normal(random_shape(rng), Dtype::kF64)}, {}}; }

}  // namespace

namespace ops {
extern const OpSpec mean = {"mean", 1, forward, backward, sample};
}

Var mean(Var x) { return x.tape().apply(ops::mean, {{x}}); }

}  // namespace palinode
