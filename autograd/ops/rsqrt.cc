// y = 1 / sqrt(x), element by element.
//   gradient   dx = (-0.5 * dy) * ((y * y) * y)
//   accuracy   f32 correctly rounded, f64 below 1.5 ULP
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/math.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs&, Kept&) {
  require_same_dtype("rsqrt", in);
  return with_float(in[0].dtype(), "rsqrt", [&]<class T>() {
    return filled<T>(in[0].shape(), [&](std::span<T> y) {
      const Tensor x = in[0].compact();
      kernels::rsqrt(x.values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  return {with_float(dy.dtype(), "rsqrt", [&]<class T>() {
    return filled<T>(dy.shape(), [&](std::span<T> dx) {
      const Tensor g = dy.compact();
      kernels::rsqrt_grad(g.values<T>(), saved.output.values<T>(), dx);
    });
  })};
}

Sample sample(const Rng& rng) {
  return {{rng.uniform(random_shape(rng), Dtype::kF64, 0.2, 3.0)}, {}};
}

}  // namespace

namespace ops {
extern const OpSpec rsqrt = {"rsqrt", 1, forward, backward, sample};
}

Var rsqrt(Var x) { return x.tape().apply(ops::rsqrt, {{x}}); }

}  // namespace palinode
