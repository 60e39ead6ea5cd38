// y[i, j, k] = x[i, indices[i, j, k], k] for axis 1, and so on; i32 indices of x's rank, whose
// other extents are not larger than x's (torch.gather).
//   gradient   dx starts at +0; each dy is added to its place, in row-major order of y
#include <algorithm>
#include <array>

#include "autograd/ops.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept&) {
  require_same_dtype("gather", in);
  return gather(in[0], attrs.axis, attrs.indices);
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const Shape &shape = saved.inputs[0].shape(), &places = dy.shape();
  const Tensor g = dy.compact(), indices = saved.attrs.indices.compact();
  return {with_float(dy.dtype(), "gather", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> dx) {
      std::ranges::fill(dx, T{0});
      const std::span<const T> from = g.values<T>();
      const std::span<const std::int32_t> picked = indices.values<std::int32_t>();
      std::array<std::size_t, Shape::kMaxRank> at{};
      for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t to = 0;
        for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
          const bool chosen = axis == saved.attrs.axis;
          to = to * shape[axis] + (chosen ? static_cast<std::size_t>(picked[i]) : at[axis]);
        }
        dx[to] = dx[to] + from[i];
        for (std::size_t axis = shape.rank(); axis-- > 0;) {
          if (++at[axis] < places[axis]) break;
          at[axis] = 0;
        }
      }
    });
  })};
}

Sample sample(const Rng& rng) {
  const Shape shape = random_rows_shape(rng);
  const auto axis = static_cast<std::size_t>(rng.stream("axis").below(0, shape.rank()));
  std::vector<std::size_t> extents(shape.extents().begin(), shape.extents().end());
  extents[axis] = static_cast<std::size_t>(rng.stream("axis").below(1, 5));
  const Tensor indices = filled<std::int32_t>(Shape(extents), [&](std::span<std::int32_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<std::int32_t>(rng.stream("index").below(i, shape[axis]));
    }
  });
  return {{rng.normal(shape, Dtype::kF64)}, {.axis = axis, .indices = indices}};
}

}  // namespace

namespace ops {
extern const OpSpec gather = {"gather", 1, forward, backward, sample};
}

Var gather(Var x, std::size_t axis, const Tensor& indices) {
  return x.tape().apply(ops::gather, {{x}}, {.axis = axis, .indices = indices});
}

}  // namespace palinode
