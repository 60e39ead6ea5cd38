// Joining tensors, picking from them by index, and the shapes of operands that broadcast.
//
// All element types, exact: values are moved, never computed with. Operands may be strided views;
// results are fresh and row-major. Indices and masks are i32. Throws ShapeError for shapes that do
// not fit and for an index out of range, DtypeError for the wrong type; messages name the op.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "tensor/tensor.h"

namespace palinode {

// The shape both operands broadcast to: aligned at the last axis, equal or 1 in each (the rules of
// NumPy). The message begins with `op`.
Shape broadcast_shapes(std::string_view op, const Tensor& a, const Tensor& b);

// One after the other along an axis; the other axes are equal. At least one part.
Tensor concat(std::span<const Tensor> parts, std::size_t axis = 0);
Tensor concat(std::initializer_list<Tensor> parts, std::size_t axis = 0);
// As the places of a new axis before `axis`; the shapes are equal.
Tensor stack(std::span<const Tensor> parts, std::size_t axis = 0);
Tensor stack(std::initializer_list<Tensor> parts, std::size_t axis = 0);

// y[i, j, k] = x[i, index[i, j, k], k] for axis 1, and so on: y has the shape of `index`, whose
// rank is that of x and whose other extents are not larger (torch.gather).
Tensor gather(const Tensor& x, std::size_t axis, const Tensor& index);
// y[i, j, k] = x[i, index[j], k] for axis 1, and so on: index [n] picks places of one axis, by
// default rows (torch.index_select).
Tensor take(const Tensor& x, const Tensor& index, std::size_t axis = 0);

// y[..., c] = (index[...] == c): shape of the index and one axis of `classes` more.
Tensor one_hot(const Tensor& index, std::size_t classes, Dtype dtype = Dtype::kF32);
// x with `value`, rounded to its type, wherever the mask, broadcast to x, is not 0. An i32 tensor
// takes whole values of its range only (DtypeError).
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);
// begin, begin + step, ... as i32, up to and without `end`; `step` may be negative but not 0.
Tensor arange(std::int32_t begin, std::int32_t end, std::int32_t step = 1);
Tensor arange(std::int32_t end);

}  // namespace palinode
