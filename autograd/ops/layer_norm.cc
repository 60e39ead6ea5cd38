// y = h * gamma + beta, h = (x - mean) / sqrt(variance + eps), along the last axis; x [..., n],
// gamma and beta [n].
//   gradient   docs/arithmetic.md, section 6b; the statistics are computed again, not kept
//   source     Ba, Kiros and Hinton, arXiv:1607.06450, equation 4
#include "autograd/op_linalg.h"
#include "autograd/ops.h"
#include "tensor/kernels/norm.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("layer_norm", in);
  const Shape& shape = in[0].shape();
  const std::size_t n = shape.last();
  if (shape.rank() == 0 || n == 0 || in[1].shape() != Shape{n} || in[2].shape() != Shape{n}) {
    throw_shapes("layer_norm", "needs x [..., n], gamma [n], beta [n], n not 0", in);
  }
  return with_float(in[0].dtype(), "layer_norm", [&]<class T>() {
    PoolVector<T> mean(shape.rows()), rstd(shape.rows());
    return filled<T>(shape, [&](std::span<T> y) {
      kernels::layer_norm<T>(in[0].compact().values<T>(), shape.rows(), n,
                             in[1].compact().values<T>(), in[2].compact().values<T>(),
                             static_cast<T>(attrs.eps), y, mean, rstd);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = dy.shape();
  const std::size_t rows = shape.rows(), n = shape.last();
  const Tensor x = saved.inputs[0].compact(), g = dy.compact();
  return with_float(dy.dtype(), "layer_norm", [&]<class T>() -> Parts {
    PoolVector<T> mean(rows), rstd(rows);
    kernels::layer_norm_statistics<T>(x.values<T>(), rows, n, static_cast<T>(saved.attrs.eps), mean,
                                      rstd);
    Parts gradients(3);
    if (saved.needed[0]) {
      gradients[0] = filled<T>(shape, [&](std::span<T> dx) {
        kernels::layer_norm_grad<T>(g.values<T>(), x.values<T>(), rows, n,
                                    saved.inputs[1].compact().values<T>(), mean, rstd, dx);
      });
    }
    if (saved.needed[1]) {
      gradients[1] = filled<T>({n}, [&](std::span<T> dgamma) {
        kernels::layer_norm_gamma_grad<T>(g.values<T>(), x.values<T>(), rows, n, mean, rstd,
                                          dgamma);
      });
    }
    if (saved.needed[2]) gradients[2] = column_sums(g.reshape({rows, n}));
    return gradients;
  });
}

Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const Shape last{shape.last()};
  // With a tiny eps, two values that are close would bend too much for finite differences.
  return {
      {rng.stream("x").normal(shape, Dtype::kF64), rng.stream("gamma").normal(last, Dtype::kF64),
       rng.stream("beta").normal(last, Dtype::kF64)},
      {.eps = 0.25}};
}

}  // namespace

namespace ops {
extern const OpSpec layer_norm = {"layer_norm", 3, forward, backward, sample};
}

Var layer_norm(Var x, Var gamma, Var beta, double eps) {
  return x.tape().apply(ops::layer_norm, {{x, gamma, beta}}, {.eps = eps});
}

}  // namespace palinode
