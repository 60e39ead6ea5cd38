// The long rule of XXH3-128 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md) up to its
// eight sums of 64 bits, with seed 0: so a digest can be taken in the loop that has the values in
// its registers anyway. Every 64 bytes are a stripe, every 16 stripes a block.

#if defined(PALINODE_TENSOR_KERNELS_XXH3_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_XXH3_INL_H_
#undef PALINODE_TENSOR_KERNELS_XXH3_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_XXH3_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/kernels/change.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kStripe = 64, kStripesOfBlock = 16;
inline constexpr std::uint64_t kXxhPrime = 0x9E3779B1;  // PRIME32_1

// The sums in registers.
class Xxh3Vectors {
 public:
  explicit HWY_INLINE Xxh3Vectors(const Xxh3Sums::Lanes& from) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums_[v] = hn::Load(D(), from.sums.data() + v * kLanes);
    }
  }
  HWY_INLINE void store(Xxh3Sums::Lanes& to) const {
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::Store(sums_[v], D(), to.sums.data() + v * kLanes);
    }
  }

  // sum[i] += low half * high half of (data[i] ^ secret[i]); sum[i ^ 1] += data[i].
  HWY_INLINE void add(const std::byte* stripe, const std::uint8_t* secret) {
#if HWY_TARGET == HWY_SCALAR
    for (std::size_t i = 0; i < 8; ++i) {
      const V data = load(stripe + 8 * i);
      const V mixed = hn::Xor(data, load(secret + 8 * i));
      sums_[i] = hn::Add(sums_[i], product(mixed, high(mixed)));
      sums_[i ^ 1] = hn::Add(sums_[i ^ 1], data);
    }
#else
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto data = load(stripe + v * kLanes * 8);
      const auto mixed = hn::Xor(data, load(secret + v * kLanes * 8));
      // One addition a stripe is all that waits for the stripe before.
      const auto added = hn::Add(hn::Shuffle01(data), product(mixed, high(mixed)));
      sums_[v] = hn::Add(sums_[v], added);
    }
#endif
  }

  // At the end of a block: sum = (sum ^ sum >> 47 ^ secret) * prime.
  HWY_INLINE void scramble(const std::uint8_t* secret) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      auto sum = hn::Xor(sums_[v], hn::ShiftRight<47>(sums_[v]));
      sum = hn::Xor(sum, load(secret + v * kLanes * 8));
#if HWY_TARGET == HWY_SCALAR
      sums_[v] = hn::Set(D(), hn::GetLane(sum) * kXxhPrime);
#else
      const auto prime = hn::Set(D(), kXxhPrime);
      sums_[v] = hn::Add(product(sum, prime), hn::ShiftLeft<32>(product(high(sum), prime)));
#endif
    }
  }

 private:
  using D = hn::CappedTag<std::uint64_t, 8>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D()), kVectors = 8 / kLanes;

  template <class Byte>
  static HWY_INLINE V load(const Byte* bytes) {
#if HWY_TARGET == HWY_SCALAR
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof(word));
    return hn::Set(D(), word);
#else
    const hn::Repartition<std::uint8_t, D> d8;
    return hn::BitCast(D(), hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(bytes)));
#endif
  }
  static HWY_INLINE V high(V x) { return hn::ShiftRight<32>(x); }
  // Of the low halves.
  static HWY_INLINE V product(V a, V b) {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(D(), (hn::GetLane(a) & 0xffffffff) * (hn::GetLane(b) & 0xffffffff));
#else
    const hn::Repartition<std::uint32_t, D> halves;
    return hn::MulEven(hn::BitCast(halves, a), hn::BitCast(halves, b));
#endif
  }

  V sums_[kVectors];
};

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
