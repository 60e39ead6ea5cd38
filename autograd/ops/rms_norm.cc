// y = h * gamma, h = x / sqrt(mean of x^2 + eps), along the last axis; x [..., n], gamma [n].
//   gradient   docs/arithmetic.md, section 6b; the statistics are computed again, not kept
//   source     Zhang and Sennrich, arXiv:1910.07467, equation 4, with eps added
#include "autograd/ops.h"
#include "tensor/kernels/norm.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("rms_norm", in);
  const Shape& shape = in[0].shape();
  const std::size_t n = shape.last();
  if (shape.rank() == 0 || n == 0 || in[1].shape() != Shape{n}) {
    throw_shapes("rms_norm", "needs x [..., n] and gamma [n], n not 0", in);
  }
  return with_float(in[0].dtype(), "rms_norm", [&]<class T>() {
    PoolVector<T> rstd(shape.rows());
    return filled<T>(shape, [&](std::span<T> y) {
      kernels::rms_norm<T>(in[0].compact().values<T>(), shape.rows(), n,
                           in[1].compact().values<T>(), static_cast<T>(attrs.eps), y, rstd);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = dy.shape();
  const std::size_t rows = shape.rows(), n = shape.last();
  const Tensor x = saved.inputs[0].compact(), g = dy.compact();
  return with_float(dy.dtype(), "rms_norm", [&]<class T>() -> Parts {
    PoolVector<T> rstd(rows);
    kernels::rms_norm_statistics<T>(x.values<T>(), rows, n, static_cast<T>(saved.attrs.eps), rstd);
    Parts gradients(2);
    if (saved.needed[0]) {
      gradients[0] = filled<T>(shape, [&](std::span<T> dx) {
        kernels::rms_norm_grad<T>(g.values<T>(), x.values<T>(), rows, n,
                                  saved.inputs[1].compact().values<T>(), rstd, dx);
      });
    }
    if (saved.needed[1]) {
      gradients[1] = filled<T>({n}, [&](std::span<T> dgamma) {
        kernels::rms_norm_gamma_grad<T>(g.values<T>(), x.values<T>(), rows, n, rstd, dgamma);
      });
    }
    return gradients;
  });
}

Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  // With a tiny eps, a row near zero would bend too much for finite differences.
  return {{rng.stream("x").normal(shape, Dtype::kF64),
           rng.stream("gamma").normal({shape.last()}, Dtype::kF64)},
          {.eps = 0.25}};
}

}  // namespace

namespace ops {
extern const OpSpec rms_norm = {"rms_norm", 2, forward, backward, sample};
}

Var rms_norm(Var x, Var gamma, double eps) {
  return x.tape().apply(ops::rms_norm, {{x, gamma}}, {.eps = eps});
}

}  // namespace palinode
