// y = h * gamma + beta, h = (x - mean) / sqrt(variance + eps), for each column of x [..., c]; gamma
// and beta [c]. Mean and variance are those of the batch, or are given.
//   gradient   docs/arithmetic.md, section 6b; statistics of the batch depend on x, given ones do
//              not
//   source     Ioffe and Szegedy, arXiv:1502.03167, algorithms 1 and 2
#include "tensor/kernels/batch_norm.h"

#include "autograd/ops.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

bool is_given(const Attrs& attrs) { return !attrs.mean.empty(); }

void check(std::span<const Tensor> in, const Attrs& attrs) {
  require_same_dtype("batch_norm", in);
  const Shape& x = in[0].shape();
  const Shape columns = {x.last()};
  if (x.rank() == 0 || x.elements() == 0 || in[1].shape() != columns || in[2].shape() != columns) {
    throw_shapes("batch_norm", "needs x [..., c], not empty, gamma [c] and beta [c]", in);
  }
  if (!is_given(attrs)) return;
  const std::array all = {in[0], attrs.mean, attrs.variance};
  require_same_dtype("batch_norm", all);
  if (attrs.mean.shape() != columns || attrs.variance.shape() != columns) {
    throw_shapes("batch_norm", "needs x [..., c], mean [c] and variance [c]", all);
  }
}

template <class T>
PoolVector<T> deviations(const Tensor& variance, double eps) {
  PoolVector<T> rstd(variance.elements());
  kernels::reciprocal_deviation<T>(variance.values<T>(), static_cast<T>(eps), rstd);
  return rstd;
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept& kept) {
  check(in, attrs);
  const Shape& shape = in[0].shape();
  const std::size_t rows = shape.rows(), cols = shape.last();
  if (is_given(attrs)) {
    kept = {attrs.mean.compact(), attrs.variance.compact()};
  } else {
    const BatchStatistics found = batch_statistics(in[0]);
    kept = {found.mean, found.variance};
  }
  return with_float(in[0].dtype(), "batch_norm", [&]<class T>() {
    const PoolVector<T> rstd = deviations<T>(kept[1], attrs.eps);
    return filled<T>(shape, [&](std::span<T> y) {
      kernels::batch_norm<T>(in[0].compact().values<T>(), rows, cols, kept[0].values<T>(), rstd,
                             in[1].compact().values<T>(), in[2].compact().values<T>(), y);
    });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape& shape = dy.shape();
  const std::size_t rows = shape.rows(), cols = shape.last();
  const Tensor x = saved.inputs[0].compact(), g = dy.compact();
  return with_float(dy.dtype(), "batch_norm", [&]<class T>() -> Parts {
    const std::span<const T> mean = saved.kept[0].values<T>();
    const PoolVector<T> rstd = deviations<T>(saved.kept[1], saved.attrs.eps);
    const Tensor dbeta = filled<T>(
        {cols}, [&](std::span<T> out) { kernels::column_sums<T>(g.values<T>(), rows, cols, out); });
    const Tensor dgamma = filled<T>({cols}, [&](std::span<T> out) {
      kernels::batch_norm_gamma_grad<T>(g.values<T>(), x.values<T>(), rows, cols, mean, rstd, out);
    });
    // The means of both over rows; given statistics do not move with x.
    PoolVector<T> a(cols), b(cols);
    for (std::size_t j = 0; j < cols && !is_given(saved.attrs); ++j) {
      a[j] = dbeta.values<T>()[j] / static_cast<T>(rows);
      b[j] = dgamma.values<T>()[j] / static_cast<T>(rows);
    }
    Parts gradients = {Tensor(), dgamma, dbeta};
    if (saved.needed[0]) {
      gradients[0] = filled<T>(shape, [&](std::span<T> dx) {
        kernels::batch_norm_grad<T>(g.values<T>(), x.values<T>(), rows, cols, mean, rstd,
                                    saved.inputs[1].compact().values<T>(), a, b, dx);
      });
    }
    return gradients;
  });
}

Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const Shape columns = {shape.last()};
  // With a tiny eps, a column of one value would bend too much for finite differences.
  Attrs attrs = {.eps = 0.25};
  if (rng.word(0) % 2 == 0) {
    attrs.mean = rng.stream("mean").normal(columns, Dtype::kF64);
    attrs.variance = rng.stream("variance").uniform(columns, Dtype::kF64, 0.5, 2.0);
  }
  return {
      {rng.stream("x").normal(shape, Dtype::kF64), rng.stream("gamma").normal(columns, Dtype::kF64),
       rng.stream("beta").normal(columns, Dtype::kF64)},
      attrs};
}

}  // namespace

namespace ops {
extern const OpSpec batch_norm = {"batch_norm", 3, forward, backward, sample};
}

BatchStatistics batch_statistics(const Tensor& x) {
  const std::size_t rows = x.shape().rows(), cols = x.shape().last();
  TensorBuilder mean({cols}, x.dtype()), variance({cols}, x.dtype());
  with_float(x.dtype(), "batch_norm", [&]<class T>() {
    kernels::batch_statistics<T>(x.compact().values<T>(), rows, cols, mean.values<T>(),
                                 variance.values<T>());
  });
  return {std::move(mean).build(), std::move(variance).build(), rows};
}

BatchNormed batch_norm(Var x, Var gamma, Var beta, double eps) {
  const Var y = x.tape().apply(ops::batch_norm, {{x, gamma, beta}}, {.eps = eps});
  const Tape::Node& node = x.tape().node(y.node());
  if (node.kept.empty()) return {y, batch_statistics(x.value())};
  return {y, {node.kept[0], node.kept[1], x.shape().rows()}};
}

Var batch_norm(Var x, Var gamma, Var beta, const BatchStatistics& given, double eps) {
  return x.tape().apply(ops::batch_norm, {{x, gamma, beta}},
                        {.eps = eps, .mean = given.mean, .variance = given.variance});
}

}  // namespace palinode
