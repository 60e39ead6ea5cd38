#include "tensor/kernels/change.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/kernels/tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/change.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/convert-inl.h"
#include "tensor/kernels/reduce-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// What the vectors load: 16-bit floats as their bits.
template <class T>
using Loaded = std::conditional_t<Half<T>, std::uint16_t, T>;

template <class T, class D64, class V>
HWY_INLINE hn::Vec<D64> to_f64(D64 d64, V v) {
  if constexpr (Half<T>) {
    return Widen(T{}, d64, v);
  } else if constexpr (sizeof(T) == sizeof(double)) {
    return v;
  } else {
    return hn::PromoteTo(d64, v);
  }
}

template <class T>
Change compare(const T* old_values, const T* new_values, std::size_t n) {
  const hn::ScalableTag<double> d64;
  const hn::Rebind<Loaded<T>, decltype(d64)> d;
  const hn::RebindToUnsigned<decltype(d)> bits;
  const auto before = reinterpret_cast<const Loaded<T>*>(old_values);
  const auto after = reinterpret_cast<const Loaded<T>*>(new_values);
  Change result;
  ChunkSums<double> squares;
  auto largest = hn::Zero(d64);
  for (std::size_t begin = 0; begin < n; begin += kSumChunk) {
    const auto square = [&](auto access, std::size_t i) HWY_ATTR {
      const auto old_value = access.load(d, before + begin + i);
      const auto new_value = access.load(d, after + begin + i);
      const auto differs = hn::Ne(hn::BitCast(bits, old_value), hn::BitCast(bits, new_value));
      result.elements_changed += hn::CountTrue(bits, differs);
      const auto delta = hn::Sub(to_f64<T>(d64, new_value), to_f64<T>(d64, old_value));
      const auto size = hn::Abs(delta);
      largest = hn::IfThenElse(hn::Gt(size, largest), size, largest);
      return hn::Mul(delta, delta);
    };
    squares.add(chunk_sum(d64, std::min(kSumChunk, n - begin), square));
  }
  const double total = squares.total();
  result.l2 = std::sqrt(total);
  // Squares are not negative, so their sum is NaN exactly if a difference is.
  HWY_ALIGN double lane[hn::MaxLanes(d64)];
  hn::Store(largest, d64, lane);
  result.max_abs = std::isnan(total) ? total : *std::max_element(lane, lane + hn::Lanes(d64));
  return result;
}

ChangeTable change_table() {
  return {.f32 = compare<float>,
          .f64 = compare<double>,
          .i32 = compare<std::int32_t>,
          .bf16 = compare<BFloat16>,
          .f16 = compare<Float16>};
}

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(change_table);

}  // namespace

template <class T>
Change change(std::span<const T> before, std::span<const T> after) {
  PALINODE_ASSERT(before.size() == after.size());
  const ChangeTable table = HWY_DYNAMIC_DISPATCH(change_table)();
  if constexpr (std::is_same_v<T, float>) {
    return table.f32(before.data(), after.data(), before.size());
  } else if constexpr (std::is_same_v<T, double>) {
    return table.f64(before.data(), after.data(), before.size());
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return table.bf16(before.data(), after.data(), before.size());
  } else if constexpr (std::is_same_v<T, Float16>) {
    return table.f16(before.data(), after.data(), before.size());
  } else {
    return table.i32(before.data(), after.data(), before.size());
  }
}

template Change change(std::span<const float>, std::span<const float>);
template Change change(std::span<const double>, std::span<const double>);
template Change change(std::span<const std::int32_t>, std::span<const std::int32_t>);
template Change change(std::span<const BFloat16>, std::span<const BFloat16>);
template Change change(std::span<const Float16>, std::span<const Float16>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
