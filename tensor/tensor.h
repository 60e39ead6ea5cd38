// Tensor: an immutable array of numbers with shared storage.
//
// A Tensor is a small handle; copying it shares the values. Nothing can change them: there is no
// accessor that returns a mutable view. New values are filled into a TensorBuilder, which turns
// into a Tensor once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "tensor/error.h"
#include "tensor/pool.h"
#include "tensor/shape.h"

namespace palinode {

class Tensor {
 public:
  // An f32 tensor of shape [0]: holds nothing. Stands for "none" where a tensor is optional.
  Tensor() : shape_(Shape::nothing()), strides_{1} {}

  // Copies the values, in row-major order. Throws ShapeError if their number does not fit the
  // shape.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  template <class T>
  static Tensor full(const Shape& shape, T value);
  static Tensor zeros(const Shape& shape, Dtype dtype);
  static Tensor scalar(double value, Dtype dtype = Dtype::kF32);

  Dtype dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t elements() const { return shape_.elements(); }
  std::size_t bytes() const { return elements() * dtype_size(dtype_); }
  bool empty() const { return elements() == 0; }
  // Distance between neighbours along an axis, in elements.
  std::size_t stride(std::size_t axis) const { return strides_[axis]; }
  bool contiguous() const;

  // All values in row-major order. Throws DtypeError for another T, ShapeError for a strided view.
  template <class T>
  std::span<const T> values() const;
  // The values of a strided view from its first element to its last, holes included; for kernels.
  template <class T>
  std::span<const T> extent() const;
  // The only value of a one-element tensor, widened to f64. Throws ShapeError otherwise.
  double item() const;

  // Views share the values of this tensor: another way through the same memory. They throw
  // ShapeError naming the op, the axis and the shape for what does not fit.
  Tensor transpose() const;                                 // the last two axes exchanged
  Tensor transpose(std::size_t a, std::size_t b) const;     // axes a and b exchanged
  Tensor permute(std::span<const std::size_t> axes) const;  // axis i of the result is axes[i]
  Tensor permute(std::initializer_list<std::size_t> axes) const;
  Tensor rows(std::size_t begin, std::size_t end) const;  // [begin, end) of the first axis
  // Places begin, begin + step, ... below end of one axis; begin <= end <= extent, step >= 1.
  Tensor slice(std::size_t axis, std::size_t begin, std::size_t end, std::size_t step = 1) const;
  // Slices of these sizes, which add up to the extent of the axis.
  PoolVector<Tensor> split(std::size_t axis, std::span<const std::size_t> sizes) const;
  PoolVector<Tensor> split(std::size_t axis, std::initializer_list<std::size_t> sizes) const;
  Tensor unsqueeze(std::size_t axis) const;  // a new axis of extent 1 before `axis`
  Tensor squeeze(std::size_t axis) const;    // without an axis of extent 1
  // New outer axes and axes of extent 1 repeated along those of `shape`, with stride 0 (the rules
  // of NumPy).
  Tensor broadcast_to(const Shape& shape) const;
  // The same values in row-major order in another shape: a view where strides can say it, otherwise
  // a copy. Throws ShapeError on another count.
  Tensor reshape(const Shape& shape) const;

  Tensor compact() const;  // itself if contiguous, else a copy
  Tensor copy() const;     // the same values, row-major, in memory of its own
  // Every value rounded once, to nearest; itself if the type is equal. Nothing converts to i32.
  Tensor to(Dtype dtype) const;

  std::string describe() const;  // "f32 [64, 128]"

 private:
  friend class TensorBuilder;
  friend class Ledger;  // moves frozen values to protected pages
  Tensor(std::shared_ptr<const std::byte> data, const Shape& shape, Dtype dtype);
  void check_axis(const char* op, std::size_t axis) const;
  // These axes, beginning `offset` elements after the first one.
  Tensor view(std::span<const std::size_t> extents, std::span<const std::size_t> strides,
              std::size_t offset = 0) const;

  std::shared_ptr<const std::byte> data_;
  Shape shape_;
  std::array<std::size_t, Shape::kMaxRank> strides_{};
  Dtype dtype_ = Dtype::kF32;
};

// Fresh, uninitialized memory for one tensor. Fill it through `values`, then turn it into the
// tensor. It cannot be copied, so nothing writes this memory once it is built but a span that was
// kept from `values`; a commit does not trust even that and stores a copy of its own.
class TensorBuilder {
 public:
  TensorBuilder(const Shape& shape, Dtype dtype);
  TensorBuilder(TensorBuilder&&) = default;
  TensorBuilder& operator=(TensorBuilder&&) = default;
  TensorBuilder(const TensorBuilder&) = delete;
  TensorBuilder& operator=(const TensorBuilder&) = delete;

  template <class T>
  std::span<T> values();  // throws DtypeError for another T

  Tensor build() &&;

 private:
  friend class Tensor;
  std::shared_ptr<std::byte> data_;
  Shape shape_;
  Dtype dtype_;
};

[[noreturn]] void throw_not_float(Dtype dtype, const char* op);

// Calls body.operator()<T>() with the float type of `dtype`. Throws DtypeError naming `op` for an
// integer type and for the 16-bit floats.
template <class Body>
decltype(auto) with_float(Dtype dtype, const char* op, Body&& body) {
  if (dtype == Dtype::kF32) return body.template operator()<float>();
  if (dtype == Dtype::kF64) return body.template operator()<double>();
  throw_not_float(dtype, op);
}

// Calls body.operator()<T>() with the element type of `dtype`, whichever it is.
template <class Body>
decltype(auto) with_element(Dtype dtype, Body&& body) {
  switch (dtype) {
    case Dtype::kF32:
      return body.template operator()<float>();
    case Dtype::kF64:
      return body.template operator()<double>();
    case Dtype::kI32:
      return body.template operator()<std::int32_t>();
    case Dtype::kBf16:
      return body.template operator()<BFloat16>();
    case Dtype::kF16:
      return body.template operator()<Float16>();
  }
  PALINODE_ASSERT(false);
}

}  // namespace palinode
