#include "tensor/kernels/change.h"

#include <algorithm>
#include <array>
#include <bit>
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

// The bits of a value, one pattern for all NaNs: which one a processor makes is its choice.
template <class T, class D, class V>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> canonical_bits(D d, V v) {
  const hn::RebindToUnsigned<D> bits;
  if constexpr (Half<T>) {
    const auto size = hn::And(v, hn::Set(bits, std::uint16_t{0x7fff}));
    const auto nan = hn::Set(bits, T::kNan);
    return hn::IfThenElse(hn::Gt(size, hn::Set(bits, T::kInfinity)), nan, v);
  } else if constexpr (std::is_floating_point_v<T>) {
    const auto nan = hn::Set(d, std::numeric_limits<T>::quiet_NaN());
    return hn::BitCast(bits, hn::IfThenElse(hn::IsNaN(v), nan, v));
  } else {
    return hn::BitCast(bits, v);
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
      const auto differs = hn::Ne(canonical_bits<T>(d, old_value), canonical_bits<T>(d, new_value));
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

// Adds n <= 4096 elements of one chunk to its lanes; the pieces before were multiples of 64.
template <class T>
void compare_lanes(const T* before, const T* after, std::size_t n,
                   typename ChangeSum<T>::Lanes& lanes) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<decltype(d)> bits;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kVectors = kSumLanes / kLanes;
  using V = hn::Vec<hn::ScalableTag<T>>;
  V squares[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) squares[v] = hn::Load(d, &lanes.squares[v * kLanes]);
  V largest = hn::Set(d, lanes.largest);
  auto infinite = hn::MaskFromVec(hn::Zero(d));
  std::uint64_t changed = 0;
  const V infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  const auto add = [&](auto access, std::size_t i, V& sum) HWY_ATTR {
    const V old_value = access.load(d, before + i);
    const V new_value = access.load(d, after + i);
    changed += hn::CountTrue(
        bits, hn::Ne(canonical_bits<T>(d, old_value), canonical_bits<T>(d, new_value)));
    infinite = hn::Or(infinite, hn::Not(hn::Lt(hn::Abs(new_value), infinity)));
    const V delta = hn::Sub(new_value, old_value);
    const V size = hn::Abs(delta);
    largest = hn::IfThenElse(hn::Gt(size, largest), size, largest);
    sum = hn::Add(sum, hn::Mul(delta, delta));
  };
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    HWY_UNROLL(64)
    for (std::size_t v = 0; v < kVectors; ++v) add(Whole{}, i + v * kLanes, squares[v]);
  }
  for (std::size_t v = 0; i < n; ++v, i += kLanes) {
    if (i + kLanes <= n) {
      add(Whole{}, i, squares[v]);
    } else {
      add(Part{n - i}, i, squares[v]);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(squares[v], d, &lanes.squares[v * kLanes]);
  HWY_ALIGN T lane[kLanes];
  hn::Store(largest, d, lane);
  lanes.largest = *std::max_element(lane, lane + kLanes);
  lanes.changed += changed;
  lanes.finite = lanes.finite && hn::AllFalse(d, infinite);
}

ChangeTable change_table() {
  return {.lanes_f32 = compare_lanes<float>,
          .lanes_f64 = compare_lanes<double>,
          .f32 = compare<float>,
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

template <class T>
T fold(std::array<T, 64> lanes) {
  for (std::size_t half = 32; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
  }
  return lanes[0];
}

constexpr std::size_t kChunk = 4096;

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

template <class T>
void ChangeSum<T>::add(std::span<const T> before, std::span<const T> after) {
  PALINODE_ASSERT(before.size() == after.size() && in_chunk_ % 64 == 0);
  const ChangeTable table = HWY_DYNAMIC_DISPATCH(change_table)();
  for (std::size_t i = 0; i < before.size();) {
    const std::size_t n = std::min(before.size() - i, kChunk - in_chunk_);
    if constexpr (std::is_same_v<T, float>) {
      table.lanes_f32(before.data() + i, after.data() + i, n, lanes_);
    } else {
      table.lanes_f64(before.data() + i, after.data() + i, n, lanes_);
    }
    i += n;
    in_chunk_ += n;
    if (in_chunk_ < kChunk) continue;
    chunks_.add(static_cast<double>(fold(lanes_.squares)));
    lanes_.squares = {};
    in_chunk_ = 0;
  }
}

template <class T>
void ChangeSum<T>::append(const ChangeSum& next) {
  static_assert(kPart % kChunk == 0 && std::has_single_bit(kPart / kChunk));
  PALINODE_ASSERT(in_chunk_ == 0);
  chunks_.append(next.chunks_);
  in_chunk_ = next.in_chunk_;
  lanes_.squares = next.lanes_.squares;
  lanes_.largest = std::max(lanes_.largest, next.lanes_.largest);
  lanes_.changed += next.lanes_.changed;
  lanes_.finite = lanes_.finite && next.lanes_.finite;
}

template <class T>
Change ChangeSum<T>::total(std::span<const T> before, std::span<const T> after) const {
  const auto largest = static_cast<double>(lanes_.largest);
  // Outside these bounds squares in f32 may lose their digits, or overflow.
  if (std::is_same_v<T, float> && largest != 0 && !(largest >= 0x1p-40 && largest <= 0x1p40)) {
    return kernels::change(before, after);
  }
  ChunkSums<double> chunks = chunks_;
  if (in_chunk_ > 0) chunks.add(static_cast<double>(fold(lanes_.squares)));
  const double squares = chunks.total();
  // Squares are not negative, so their sum is NaN exactly if a difference is.
  return {lanes_.changed, std::isnan(squares) ? squares : largest, std::sqrt(squares)};
}

template class ChangeSum<float>;
template class ChangeSum<double>;
template Change change(std::span<const float>, std::span<const float>);
template Change change(std::span<const double>, std::span<const double>);
template Change change(std::span<const std::int32_t>, std::span<const std::int32_t>);
template Change change(std::span<const BFloat16>, std::span<const BFloat16>);
template Change change(std::span<const Float16>, std::span<const Float16>);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
