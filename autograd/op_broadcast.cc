#include "autograd/op_broadcast.h"

#include <fmt/format.h>

#include "autograd/op_spec.h"
#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tensor/shaping.h"

namespace palinode {
namespace {

using Extents = InlineVector<std::size_t, Shape::kMaxRank>;

// How far apart neighbours along an axis of the result are in x, which is contiguous.
std::size_t step_in(const Shape& x, const Shape& result, std::size_t axis) {
  const std::size_t added = result.rank() - x.rank();
  if (axis < added || x[axis - added] == 1) return 0;
  std::size_t step = 1;
  for (std::size_t i = axis - added + 1; i < x.rank(); ++i) step *= x[i];
  return step;
}

// The axes of the result, neighbours joined where both operands go through the two as through one.
kernels::BroadcastAxes axes_of(const Shape& a, const Shape& b, const Shape& result) {
  kernels::BroadcastAxes axes;
  for (std::size_t axis = 0; axis < result.rank(); ++axis) {
    if (result[axis] == 1) continue;
    const kernels::BroadcastAxis next = {result[axis], step_in(a, result, axis),
                                         step_in(b, result, axis)};
    if (!axes.empty()) {
      kernels::BroadcastAxis& before = axes[axes.size() - 1];
      if (before.a == next.a * next.extent && before.b == next.b * next.extent) {
        before = {before.extent * next.extent, next.a, next.b};
        continue;
      }
    }
    axes.push_back(next);
  }
  return axes;
}

}  // namespace

Tensor broadcast(std::string_view name, kernels::Binary op, std::span<const Tensor> operands) {
  require_same_dtype(name, operands);
  const Tensor a = operands[0].compact(), b = operands[1].compact();
  const Shape shape = broadcast_shapes(name, a, b);
  return with_float(a.dtype(), "broadcast", [&]<class T>() {
    return filled<T>(shape, [&](std::span<T> y) {
      kernels::broadcast<T>(op, axes_of(a.shape(), b.shape(), shape), a.values<T>(), b.values<T>(),
                            y);
    });
  });
}

AxisSplit split_at(const Shape& shape, std::size_t axis) {
  AxisSplit split = {.n = shape[axis]};
  for (std::size_t i = 0; i < axis; ++i) split.outer *= shape[i];
  for (std::size_t i = axis + 1; i < shape.rank(); ++i) split.inner *= shape[i];
  return split;
}

Tensor sum_over(const Tensor& x, const AxisSplit& split) {
  const std::size_t outer = split.outer, n = split.n, inner = split.inner;
  return with_float(x.dtype(), "sum", [&]<class T>() {
    const std::span<const T> values = x.values<T>();
    return filled<T>({outer, inner}, [&](std::span<T> y) {
      if (inner == 1) return kernels::row_sums<T>(values, outer, n, y);
      for (std::size_t i = 0; i < outer; ++i) {
        kernels::column_sums<T>(values.subspan(i * n * inner, n * inner), n, inner,
                                y.subspan(i * inner, inner));
      }
    });
  });
}

Tensor sum_to(const Tensor& g, const Shape& shape) {
  if (g.shape() == shape) return g;
  const std::size_t rank = g.shape().rank(), added = rank - shape.rank();
  const auto repeated = [&](std::size_t axis) {
    return g.shape()[axis] != 1 && (axis < added || shape[axis - added] == 1);
  };
  Tensor sum = g.compact();
  std::size_t inner = 1;  // of what is left of the axes behind
  for (std::size_t end = rank; end > 0;) {
    std::size_t begin = end - 1, n = g.shape()[begin];
    if (!repeated(begin)) {
      inner *= n;
      end = begin;
      continue;
    }
    // Neighbours are one long axis; those of one element are not there.
    while (begin > 0 && (repeated(begin - 1) || g.shape()[begin - 1] == 1)) {
      n *= g.shape()[--begin];
    }
    std::size_t outer = 1;
    for (std::size_t axis = 0; axis < begin; ++axis) outer *= g.shape()[axis];
    sum = sum_over(sum, {outer, n, inner});
    end = begin;
  }
  return sum.reshape(shape);
}

Shape reduced(const Shape& shape, std::size_t axis, bool keepdim) {
  Extents extents;
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i != axis) extents.push_back(shape[i]);
    if (i == axis && keepdim) extents.push_back(1);
  }
  return Shape(std::span<const std::size_t>(extents.data(), extents.size()));
}

std::size_t axis_of(std::string_view op, const Tensor& x, int axis) {
  const int rank = static_cast<int>(x.shape().rank());
  if (axis < -rank || axis >= rank) {
    throw ShapeError(fmt::format("{}: {} has no axis {}", op, x.describe(), axis));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

}  // namespace palinode
