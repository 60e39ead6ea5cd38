// Element types and shapes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "tensor/float16.h"

namespace palinode {

enum class Dtype : std::uint8_t { kF32, kF64, kI32, kBf16, kF16 };

std::string_view dtype_name(Dtype dtype);  // "f32", "f64", "i32", "bf16", "f16"
std::size_t dtype_size(Dtype dtype);       // bytes per element

// Whether operations compute in this type; the 16-bit floats are storage only.
constexpr bool is_compute(Dtype dtype) { return dtype == Dtype::kF32 || dtype == Dtype::kF64; }

// The Dtype of a C++ element type.
template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return Dtype::kF32;
  } else if constexpr (std::is_same_v<T, double>) {
    return Dtype::kF64;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return Dtype::kBf16;
  } else if constexpr (std::is_same_v<T, Float16>) {
    return Dtype::kF16;
  } else {
    static_assert(std::is_same_v<T, std::int32_t>,
                  "an element is float, double, std::int32_t, BFloat16 or Float16");
    return Dtype::kI32;
  }
}

// The extents of a tensor, outermost first, held inline. Rank 0 is a scalar.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 8;

  Shape() = default;
  // Throws ShapeError if the rank exceeds kMaxRank or the number of elements overflows 63 bits.
  Shape(std::initializer_list<std::size_t> extents);
  explicit Shape(std::span<const std::size_t> extents);
  // [0], the shape of a tensor that holds nothing.
  static Shape nothing() {
    Shape shape;
    shape.rank_ = 1;
    shape.elements_ = 0;
    return shape;
  }

  std::size_t rank() const { return rank_; }
  std::size_t operator[](std::size_t axis) const { return extents_[axis]; }
  std::size_t elements() const { return elements_; }
  std::span<const std::size_t> extents() const { return {extents_.data(), rank_}; }
  std::size_t last() const { return rank_ == 0 ? 1 : extents_[rank_ - 1]; }
  // Elements in all axes but the last: the number of rows of the row-wise operations.
  std::size_t rows() const;

  std::string to_string() const;  // "[64, 128]"

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.extents_ == b.extents_;
  }

 private:
  std::array<std::size_t, kMaxRank> extents_{};
  std::size_t rank_ = 0;
  std::size_t elements_ = 1;
};

}  // namespace palinode
