// The maximum along one axis; NaN if there is one.
//   gradient   dx = dy at the first place that holds the maximum, +0 elsewhere
#include <algorithm>

#include "autograd/op_broadcast.h"
#include "autograd/ops.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

// x with the axis last.
Tensor turned(const Tensor& x, std::size_t axis) {
  InlineVector<std::size_t, Shape::kMaxRank> order;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  return x.permute(std::span<const std::size_t>(order.data(), order.size())).compact();
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept& kept) {
  require_same_dtype("max_axis", in);
  const Shape& shape = in[0].shape();
  const std::size_t n = shape[attrs.axis];
  if (n == 0) throw_shapes("max", "the maximum of nothing", in);
  const Tensor x = turned(in[0], attrs.axis);
  const Shape result = reduced(shape, attrs.axis, attrs.keepdim);
  return with_float(x.dtype(), "max", [&]<class T>() {
    kept.push_back(filled<std::int32_t>(result, [&](std::span<std::int32_t> places) {
      kernels::row_argmax<T>(x.values<T>(), places.size(), n, places);
    }));
    return filled<T>(result,
                     [&](std::span<T> y) { kernels::row_max<T>(x.values<T>(), y.size(), n, y); });
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const AxisSplit split = split_at(saved.inputs[0].shape(), saved.attrs.axis);
  const Tensor g = dy.compact();
  return {with_float(dy.dtype(), "max", [&]<class T>() {
    return filled<T>(saved.inputs[0].shape(), [&](std::span<T> dx) {
      std::ranges::fill(dx, T{0});
      const std::span<const std::int32_t> places = saved.kept[0].values<std::int32_t>();
      for (std::size_t i = 0; i < places.size(); ++i) {
        const std::size_t outer = i / split.inner, inner = i % split.inner;
        const auto place = static_cast<std::size_t>(places[i]);
        dx[(outer * split.n + place) * split.inner + inner] = g.values<T>()[i];
      }
    });
  })};
}

// Some axis of some shape that has one.
Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank()));
  return {{rng.normal(shape, Dtype::kF64)},
          {.axis = axis, .keepdim = rng.stream("axis").below(1, 2) == 0}};
}

}  // namespace

namespace ops {
extern const OpSpec max_axis = {"max_axis", 1, forward, backward, sample};
}

Var max(Var x, int axis, bool keepdim) {
  const std::size_t place = axis_of("max", x.value(), axis);
  return x.tape().apply(ops::max_axis, {{x}}, {.axis = place, .keepdim = keepdim});
}

}  // namespace palinode
