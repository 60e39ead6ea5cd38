#include "tensor/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/error.h"

namespace palinode {
namespace {

std::string list(std::span<const std::size_t> extents) {
  std::string text = "[";
  for (const std::size_t extent : extents) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + "]";
}

}  // namespace

std::string_view dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return "f32";
    case Dtype::kF64:
      return "f64";
    case Dtype::kI32:
      return "i32";
    case Dtype::kBf16:
      return "bf16";
    case Dtype::kF16:
      return "f16";
  }
  PALINODE_ASSERT(false);
}

std::size_t dtype_size(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return 8;
    case Dtype::kF32:
    case Dtype::kI32:
      return 4;
    case Dtype::kBf16:
    case Dtype::kF16:
      return 2;
  }
  PALINODE_ASSERT(false);
}

Shape::Shape(std::initializer_list<std::size_t> extents)
    : Shape(std::span<const std::size_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::size_t> extents) : rank_(extents.size()) {
  if (rank_ > kMaxRank) {
    throw ShapeError(fmt::format("shape: at most {} axes, got {}", kMaxRank, rank_));
  }
  std::copy(extents.begin(), extents.end(), extents_.begin());
  constexpr std::size_t kLimit = std::size_t{1} << 60;
  for (const std::size_t extent : extents) {
    if (extent != 0 && elements_ > kLimit / extent) {
      throw ShapeError(fmt::format("shape: too many elements in {}", list(extents)));
    }
    elements_ *= extent;
  }
}

std::size_t Shape::rows() const {
  std::size_t rows = 1;
  for (std::size_t axis = 0; axis + 1 < rank_; ++axis) rows *= extents_[axis];
  return rows;
}

std::string Shape::to_string() const { return list(extents()); }

}  // namespace palinode
