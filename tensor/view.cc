// The views of a Tensor (tensor.h): other extents and strides over the same values.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tensor/inline_vector.h"
#include "tensor/strided.h"
#include "tensor/tensor.h"

namespace palinode {
namespace {

using Extents = InlineVector<std::size_t, Shape::kMaxRank>;

Extents extents_of(const Tensor& x) {
  Extents extents;
  for (const std::size_t extent : x.shape().extents()) extents.push_back(extent);
  return extents;
}

Extents strides_of(const Tensor& x) {
  Extents strides;
  for (std::size_t axis = 0; axis < x.shape().rank(); ++axis) strides.push_back(x.stride(axis));
  return strides;
}

std::span<const std::size_t> span_of(const Extents& list) { return {list.data(), list.size()}; }

// The strides of a row-major walk through x in axes of `shape`, which has as many elements (not 0),
// if there are such strides. Each axis of x (joined where two are one long axis) has to be made of
// whole axes of `shape`.
std::optional<Extents> strides_in(const Tensor& x, const Shape& shape) {
  CopyAxes old;
  for (std::size_t axis = 0; axis < x.shape().rank(); ++axis) {
    add_axis(old, {x.shape()[axis], x.stride(axis), x.stride(axis)});
  }
  Extents strides(shape.rank());
  std::size_t axis = shape.rank();
  for (std::size_t i = old.size(); i-- > 0;) {
    std::size_t covered = 1;
    while (covered < old[i].extent) {
      --axis;
      strides[axis] = covered * old[i].from;
      covered *= shape[axis];
    }
    if (covered != old[i].extent) return std::nullopt;
  }
  while (axis-- > 0) strides[axis] = x.elements();
  return strides;
}

}  // namespace

void Tensor::check_axis(const char* op, std::size_t axis) const {
  if (axis < shape_.rank()) return;
  throw ShapeError(fmt::format("{}: {} has no axis {}", op, describe(), axis));
}

Tensor Tensor::view(std::span<const std::size_t> extents, std::span<const std::size_t> strides,
                    std::size_t offset) const {
  Tensor view = *this;
  view.shape_ = Shape(extents);
  view.strides_ = {};
  std::ranges::copy(strides, view.strides_.begin());
  // Where an empty view would begin may be beyond the end of the memory.
  if (!view.empty()) view.data_ = {data_, data_.get() + offset * dtype_size(dtype_)};
  return view;
}

Tensor Tensor::transpose() const {
  const std::size_t rank = shape_.rank();
  if (rank < 2) throw ShapeError(fmt::format("transpose: needs two axes, got {}", describe()));
  return transpose(rank - 2, rank - 1);
}

Tensor Tensor::transpose(std::size_t a, std::size_t b) const {
  check_axis("transpose", a);
  check_axis("transpose", b);
  Extents extents = extents_of(*this), strides = strides_of(*this);
  std::swap(extents[a], extents[b]);
  std::swap(strides[a], strides[b]);
  return view(span_of(extents), span_of(strides));
}

Tensor Tensor::permute(std::span<const std::size_t> axes) const {
  Extents extents, strides;
  std::array<bool, Shape::kMaxRank> used{};
  bool fits = axes.size() == shape_.rank();
  for (std::size_t i = 0; fits && i < axes.size(); ++i) {
    fits = axes[i] < axes.size() && !used[axes[i]];
    if (!fits) break;
    used[axes[i]] = true;
    extents.push_back(shape_[axes[i]]);
    strides.push_back(strides_[axes[i]]);
  }
  if (!fits) {
    throw ShapeError(fmt::format("permute: [{}] is no order of the {} axes of {}",
                                 fmt::join(axes, ", "), shape_.rank(), describe()));
  }
  return view(span_of(extents), span_of(strides));
}

Tensor Tensor::permute(std::initializer_list<std::size_t> axes) const {
  return permute(std::span(axes.begin(), axes.size()));
}

Tensor Tensor::rows(std::size_t begin, std::size_t end) const {
  if (shape_.rank() == 0 || begin > end || end > shape_[0]) {
    throw ShapeError(fmt::format("rows: [{}, {}) is not inside {}", begin, end, describe()));
  }
  return slice(0, begin, end);
}

Tensor Tensor::slice(std::size_t axis, std::size_t begin, std::size_t end, std::size_t step) const {
  check_axis("slice", axis);
  if (begin > end || end > shape_[axis]) {
    throw ShapeError(
        fmt::format("slice: [{}, {}) is not inside axis {} of {}", begin, end, axis, describe()));
  }
  if (step == 0) throw ShapeError("slice: a step of 0");
  Extents extents = extents_of(*this), strides = strides_of(*this);
  extents[axis] = begin == end ? 0 : (end - begin - 1) / step + 1;
  if (extents[axis] > 1) strides[axis] *= step;
  return view(span_of(extents), span_of(strides), begin * strides_[axis]);
}

PoolVector<Tensor> Tensor::split(std::size_t axis, std::span<const std::size_t> sizes) const {
  check_axis("split", axis);
  PoolVector<Tensor> parts;
  parts.reserve(sizes.size());
  std::size_t begin = 0;
  for (const std::size_t size : sizes) {
    if (size > shape_[axis] - begin) break;
    parts.push_back(slice(axis, begin, begin + size));
    begin += size;
  }
  if (parts.size() != sizes.size() || begin != shape_[axis]) {
    throw ShapeError(fmt::format("split: sizes [{}] do not add up to axis {} of {}",
                                 fmt::join(sizes, ", "), axis, describe()));
  }
  return parts;
}

PoolVector<Tensor> Tensor::split(std::size_t axis, std::initializer_list<std::size_t> sizes) const {
  return split(axis, std::span(sizes.begin(), sizes.size()));
}

Tensor Tensor::unsqueeze(std::size_t axis) const {
  if (axis > shape_.rank() || shape_.rank() == Shape::kMaxRank) {
    throw ShapeError(fmt::format("unsqueeze: {} has no place {} for an axis", describe(), axis));
  }
  Extents extents, strides;
  for (std::size_t i = 0; i <= shape_.rank(); ++i) {
    if (i == axis) {
      extents.push_back(1);
      strides.push_back(1);
    }
    if (i == shape_.rank()) break;
    extents.push_back(shape_[i]);
    strides.push_back(strides_[i]);
  }
  return view(span_of(extents), span_of(strides));
}

Tensor Tensor::squeeze(std::size_t axis) const {
  check_axis("squeeze", axis);
  if (shape_[axis] != 1) {
    throw ShapeError(
        fmt::format("squeeze: axis {} of {} is {}, not 1", axis, describe(), shape_[axis]));
  }
  Extents extents, strides;
  for (std::size_t i = 0; i < shape_.rank(); ++i) {
    if (i == axis) continue;
    extents.push_back(shape_[i]);
    strides.push_back(strides_[i]);
  }
  return view(span_of(extents), span_of(strides));
}

Tensor Tensor::broadcast_to(const Shape& shape) const {
  const auto refuse = [&](const std::string& why) {
    throw ShapeError(fmt::format("broadcast_to: {} does not broadcast to {}: {}", describe(),
                                 shape.to_string(), why));
  };
  if (shape.rank() < shape_.rank()) refuse("fewer axes");
  const std::size_t added = shape.rank() - shape_.rank();
  Extents strides(shape.rank());
  for (std::size_t axis = 0; axis < shape_.rank(); ++axis) {
    if (shape_[axis] == shape[added + axis]) {
      strides[added + axis] = strides_[axis];
    } else if (shape_[axis] != 1) {
      refuse(fmt::format("axis {} is {} and not {}", axis, shape_[axis], shape[added + axis]));
    }
  }
  return view(shape.extents(), span_of(strides));
}

Tensor Tensor::reshape(const Shape& shape) const {
  if (shape.elements() != elements()) {
    throw ShapeError(fmt::format("reshape: {} has {} elements, {} has {}", describe(), elements(),
                                 shape.to_string(), shape.elements()));
  }
  if (contiguous()) return Tensor(data_, shape, dtype_);
  const std::optional<Extents> strides = strides_in(*this, shape);
  return strides ? view(shape.extents(), span_of(*strides)) : Tensor(copy().data_, shape, dtype_);
}

}  // namespace palinode
