// Operands that broadcast (the rules of NumPy: aligned at the last axis, each extent equal or 1),
// and sums over some of the axes, shared by the ops that need them.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tensor/kernels/broadcast.h"
#include "tensor/tensor.h"

namespace palinode {

// a op b, of the shape both broadcast to. Throws ShapeError or DtypeError whose message begins with
// `name` and has both operands.
Tensor broadcast(std::string_view name, kernels::Binary op, std::span<const Tensor> operands);

// The gradient of an operand that was repeated: g summed over the axes along which `shape` has an
// extent of 1, or no axis, and g has not (docs/arithmetic.md, section 5). g itself if there are
// none.
Tensor sum_to(const Tensor& g, const Shape& shape);

// x as [outer, n, inner], n being one axis of it, or some neighbouring ones.
struct AxisSplit {
  std::size_t outer = 1;
  std::size_t n = 1;
  std::size_t inner = 1;
};
AxisSplit split_at(const Shape& shape, std::size_t axis);

// The sums over n, as [outer, inner]: along the last axis if inner is 1, otherwise along the first
// one of each [n, inner] (docs/arithmetic.md, section 3). x is contiguous.
Tensor sum_over(const Tensor& x, const AxisSplit& split);

// The shape without an axis, or with an extent of 1 in its place.
Shape reduced(const Shape& shape, std::size_t axis, bool keepdim);

// A place counted from the first axis, from one that may be counted from the last (-1). Throws
// ShapeError naming the op.
std::size_t axis_of(std::string_view op, const Tensor& x, int axis);

}  // namespace palinode
