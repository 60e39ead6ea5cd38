// The 16-bit floats a vector at a time, as their bits (docs/arithmetic.md, section 9b).

#if defined(PALINODE_TENSOR_KERNELS_CONVERT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_CONVERT_INL_H_
#undef PALINODE_TENSOR_KERNELS_CONVERT_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_CONVERT_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

#include "tensor/float16.h"
#include "tensor/kernels/fma-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// bf16 is the upper half of f32.
template <class DF, class V>
HWY_INLINE hn::Vec<DF> WidenHalf(BFloat16, DF df, V half) {
  const hn::RebindToUnsigned<DF> du;
  return hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(du, half)));
}

template <class DF, class V>
HWY_INLINE hn::Vec<DF> WidenHalf(Float16, DF df, V half) {
  const hn::RebindToUnsigned<DF> du;
  const hn::RebindToSigned<DF> di;
  const auto bits = hn::PromoteTo(du, half);
  const auto size = hn::And(bits, hn::Set(du, 0x7fff));
  const auto shifted = hn::ShiftLeft<13>(size);
  // The exponent's bias is 15 in f16, 127 in f32; below 2^-14 a number is `size` times 2^-24.
  const auto normal = hn::Add(shifted, hn::Set(du, std::uint32_t{112} << 23));
  const auto subnormal = hn::Mul(hn::ConvertTo(df, hn::BitCast(di, size)), hn::Set(df, 0x1p-24F));
  const auto endless = hn::Or(shifted, hn::Set(du, 0x7f800000));
  auto result =
      hn::IfThenElse(hn::Lt(size, hn::Set(du, 0x0400)), hn::BitCast(du, subnormal), normal);
  result = hn::IfThenElse(hn::Gt(size, hn::Set(du, Float16::kInfinity - 1U)), endless, result);
  const auto sign = hn::ShiftLeft<16>(hn::Xor(bits, size));
  return hn::BitCast(df, hn::Or(result, sign));
}

template <class DF, class V>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<DF>> NarrowBits(BFloat16, DF /*df*/, V x) {
  const hn::RebindToUnsigned<DF> du;
  const auto bits = hn::BitCast(du, x);
  const auto size = hn::And(bits, hn::Set(du, 0x7fffffff));
  // Half of the last place, less one unless the last bit kept is set: a tie goes to the even one.
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff))));
  const auto nan = hn::Gt(size, hn::Set(du, 0x7f800000));
  return hn::IfThenElse(nan, hn::Set(du, BFloat16::kNan), rounded);
}

template <class DF, class V>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<DF>> NarrowBits(Float16, DF df, V x) {
  const hn::RebindToUnsigned<DF> du;
  const auto bits = hn::BitCast(du, x);
  const auto size = hn::And(bits, hn::Set(du, 0x7fffffff));
  // A tie goes to even as above; the exponent is biased by 112 less, which wraps.
  const auto odd = hn::And(hn::ShiftRight<13>(size), hn::Set(du, 1));
  const auto rebias = hn::Set(du, 0x0fffU - (std::uint32_t{112} << 23));
  const auto normal = hn::ShiftRight<13>(hn::Add(size, hn::Add(odd, rebias)));
  // In [0.5, 1) the places of f32 are those of the subnormal f16, 2^-24: the sum rounds to them.
  const auto half = hn::Set(df, 0.5F);
  const auto subnormal =
      hn::Sub(hn::BitCast(du, hn::Add(hn::BitCast(df, size), half)), hn::BitCast(du, half));
  auto result = hn::IfThenElse(hn::Lt(size, hn::Set(du, 0x38800000)), subnormal, normal);
  // From 2^16 on; what is nearer to 2^16 than to the largest number has carried into infinity.
  const auto beyond = hn::Gt(size, hn::Set(du, 0x477fffff));
  result = hn::IfThenElse(beyond, hn::Set(du, Float16::kInfinity), result);
  const auto sign = hn::ShiftRight<16>(hn::Xor(bits, size));
  const auto nan = hn::Gt(size, hn::Set(du, 0x7f800000));
  return hn::IfThenElse(nan, hn::Set(du, Float16::kNan), hn::Or(result, sign));
}

// The f64 x rounded to the nearest number of the 16-bit type H, its largest exponent aside: what is
// left is exact in f32, so that narrowing it rounds no more.
template <class H, class D, class V>
HWY_INLINE V RoundToHalf(H, D d, V x) {
  const hn::RebindToUnsigned<D> du;
  constexpr bool kBf16 = std::is_same_v<H, BFloat16>;
  constexpr int kDropped = kBf16 ? 45 : 42;  // of 52 fraction bits, for a normal result
  const V smallest_normal = hn::Set(d, kBf16 ? 0x1p-126 : 0x1p-14);
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<kDropped>(bits), hn::Set(du, 1));
  const auto below_half = hn::Set(du, (std::uint64_t{1} << (kDropped - 1)) - 1);
  const auto rounded = hn::ShiftRight<kDropped>(hn::Add(bits, hn::Add(odd, below_half)));
  const V normal = hn::BitCast(d, hn::ShiftLeft<kDropped>(rounded));
  // The places of f64 from `step` to twice it are those of the subnormal results.
  const V step = hn::Set(d, kBf16 ? 0x1p-81 : 0x1p28);
  const V size = hn::Abs(x);
  const V subnormal = hn::CopySign(hn::Sub(hn::Add(size, step), step), x);
  const V result = hn::IfThenElse(hn::Lt(size, smallest_normal), subnormal, normal);
  return hn::IfThenElse(hn::IsNaN(x), x, result);
}

// From the bits of 16-bit floats to f32 or f64, and back to those of the nearest.
template <class H, class D, class V>
HWY_INLINE hn::Vec<D> Widen(H, D d, V half) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(float)) {
    return WidenHalf(H{}, d, half);
  } else {
    return hn::PromoteTo(d, WidenHalf(H{}, hn::Rebind<float, D>(), half));
  }
}

template <class H, class D, class V>
HWY_INLINE hn::Vec<hn::Rebind<std::uint16_t, D>> Narrow(H, D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(float)) {
    const hn::RebindToSigned<D> di;
    const hn::Rebind<std::uint16_t, D> d16;
    return hn::DemoteTo(d16, hn::BitCast(di, NarrowBits(H{}, d, x)));
  } else {
    const hn::Rebind<float, D> df;
    return Narrow(H{}, df, NearestF32(df, RoundToHalf(H{}, d, x)));
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
