// The 16-bit floats, as storage: values that convert from and to f32 and f64
// (tensor/kernels/convert.h) and are not computed with.
#pragma once

#include <concepts>
#include <cstdint>

namespace palinode {

// The upper half of an f32: 8 exponent bits and 7 fraction bits.
struct BFloat16 {
  static constexpr std::uint16_t kInfinity = 0x7f80;
  static constexpr std::uint16_t kNan = 0x7fc0;  // what digests replace every NaN by
  std::uint16_t bits = 0;

  friend bool operator==(BFloat16, BFloat16) = default;  // the same bits
};

// IEEE 754 binary16: 5 exponent bits and 10 fraction bits.
struct Float16 {
  static constexpr std::uint16_t kInfinity = 0x7c00;
  static constexpr std::uint16_t kNan = 0x7e00;
  std::uint16_t bits = 0;

  friend bool operator==(Float16, Float16) = default;
};

template <class T>
concept Half = std::same_as<T, BFloat16> || std::same_as<T, Float16>;

// Of any element type; an integer is always finite.
template <class T>
constexpr bool is_nan(T x) {
  if constexpr (Half<T>) {
    return (x.bits & 0x7fff) > T::kInfinity;
  } else {
    return x != x;
  }
}

template <class T>
constexpr bool is_finite(T x) {
  if constexpr (Half<T>) {
    return (x.bits & 0x7fff) < T::kInfinity;
  } else {
    return x - x == T{0};
  }
}

}  // namespace palinode
