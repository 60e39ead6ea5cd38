// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), a block in each lane.

#if defined(PALINODE_TENSOR_KERNELS_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_PHILOX_INL_H_
#undef PALINODE_TENSOR_KERNELS_PHILOX_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_PHILOX_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class V>
struct PhiloxBlocks {
  V w0, w1, w2, w3;
};

// The high halves of the 64-bit products.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V MulHigh(D d, V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, static_cast<std::uint32_t>(std::uint64_t{a.raw} * b.raw >> 32));
#else
  const hn::RepartitionToWide<D> wide;
  const auto even = hn::MulEven(a, b);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))), b);
  return hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
#endif
}

// Every lane of b and of the key is the same.
template <class D, class V = hn::Vec<D>>
HWY_INLINE PhiloxBlocks<V> Philox(D d, PhiloxBlocks<V> counter, std::uint32_t k0,
                                  std::uint32_t k1) {
  const V a = hn::Set(d, 0xD2511F53);
  const V b = hn::Set(d, 0xCD9E8D57);
  for (int round = 0; round < 10; ++round) {
    const V high_a = MulHigh(d, counter.w0, a), low_a = hn::Mul(counter.w0, a);
    const V high_b = MulHigh(d, counter.w2, b), low_b = hn::Mul(counter.w2, b);
    counter = {hn::Xor(hn::Xor(high_b, counter.w1), hn::Set(d, k0)), low_b,
               hn::Xor(hn::Xor(high_a, counter.w3), hn::Set(d, k1)), low_a};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
