// y = mean over rows i of w[i] * -log softmax(x)[i, label[i]], softmax and logarithm fused.
//   gradient   dx[i, j] = (softmax(x)[i, j] - (j == label[i])) * ((dy * w[i]) / rows)
//   orders     docs/arithmetic.md, section 6
// With w = 1 this is the classifier's loss. With labels = actions and w = advantages its gradient
// is that of REINFORCE (Williams 1992, equation 4), so policy gradient needs no other op.
#include <fmt/format.h>

#include "autograd/ops.h"
#include "tensor/error.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/softmax.h"

namespace palinode {
namespace {

void check(std::span<const Tensor> in, const Attrs& attrs) {
  require_same_dtype("cross_entropy", in);
  const Shape& shape = in[0].shape();
  if (shape.rank() != 2 || shape.elements() == 0) {
    throw_shapes("cross_entropy", "needs logits [rows, classes], not empty", in);
  }
  if (attrs.labels.dtype() != Dtype::kI32 || attrs.labels.shape() != Shape{shape[0]}) {
    throw ShapeError(fmt::format("cross_entropy: labels are i32 [{}], got {}", shape[0],
                                 attrs.labels.describe()));
  }
  if (!attrs.weights.empty() &&
      (attrs.weights.dtype() != in[0].dtype() || attrs.weights.shape() != Shape{shape[0]})) {
    throw ShapeError(fmt::format("cross_entropy: weights are {} [{}], got {}",
                                 dtype_name(in[0].dtype()), shape[0], attrs.weights.describe()));
  }
  for (const std::int32_t label : attrs.labels.values<std::int32_t>()) {
    if (label < 0 || static_cast<std::size_t>(label) >= shape[1]) {
      throw ShapeError(fmt::format("cross_entropy: label {} is not in [0, {})", label, shape[1]));
    }
  }
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept& kept) {
  check(in, attrs);
  const std::size_t rows = in[0].shape()[0], classes = in[0].shape()[1];
  return with_float(in[0].dtype(), "cross_entropy", [&]<class T>() {
    PoolVector<T> losses(rows);
    const std::span<T> out = losses;
    kept.push_back(filled<T>(in[0].shape(), [&](std::span<T> p) {
      kernels::cross_entropy<T>(in[0].compact().values<T>(), rows, classes,
                                attrs.labels.values<std::int32_t>(), out, p);
    }));
    if (!attrs.weights.empty()) kernels::mul<T>(attrs.weights.values<T>(), losses, out);
    return Tensor::full<T>({}, kernels::sum<T>(losses) / static_cast<T>(rows));
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Tensor& x = saved.inputs[0];
  const Attrs& attrs = saved.attrs;
  const std::size_t rows = x.shape()[0], classes = x.shape()[1];
  return {with_float(dy.dtype(), "cross_entropy", [&]<class T>() {
    const T g = dy.values<T>()[0];
    PoolVector<T> r(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const T weighted = attrs.weights.empty() ? g : g * attrs.weights.values<T>()[i];
      r[i] = weighted / static_cast<T>(rows);
    }
    return filled<T>(x.shape(), [&](std::span<T> dx) {
      kernels::cross_entropy_grad<T>(saved.kept[0].values<T>(), rows, classes,
                                     attrs.labels.values<std::int32_t>(), r, dx);
    });
  })};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_shape(rng);
  std::vector<std::int32_t> labels(shape[0]);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<std::int32_t>(rng.stream("labels").below(i, shape[1]));
  }
  Attrs attrs{.labels = Tensor::from<std::int32_t>(labels, {shape[0]})};
  if (rng.word(0) % 2 == 0) {
    attrs.weights = rng.stream("weights").normal({shape[0]}, Dtype::kF64);
  }
  return {{rng.stream("x").normal(shape, Dtype::kF64)}, attrs};
}

}  // namespace

namespace ops {
extern const OpSpec cross_entropy = {"cross_entropy", 1, forward, backward, sample};
}

Var cross_entropy(Var logits, const Tensor& labels, const Tensor& weights) {
  return logits.tape().apply(ops::cross_entropy, {{logits}},
                             {.labels = labels, .weights = weights});
}

}  // namespace palinode
