#include "tensor/kernels/change.h"

#define XXH_STATIC_LINKING_ONLY  // tells the secret
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/kernels/change_table.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/change.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/comparison-inl.h"
#include "tensor/kernels/convert-inl.h"
#include "tensor/kernels/reduce-inl.h"
#include "tensor/kernels/vectors-inl.h"
#include "tensor/kernels/xxh3-inl.h"

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

template <class T>
void compare_lanes(const T* before, const T* after, std::size_t n,
                   typename ChangeSum<T>::Lanes& lanes, Xxh3Sums::Lanes* digest,
                   std::size_t blocks) {
  using Group = Comparison<T>;
  constexpr std::size_t kStripesOfGroup = kSumLanes * sizeof(T) / kStripe;
  constexpr std::size_t kGroups = kStripesOfBlock / kStripesOfGroup;
  const hn::ScalableTag<T> d;
  Group group;
  group.start(lanes);
  const auto add_group = [&](std::size_t at) HWY_ATTR {
    HWY_UNROLL(64)
    for (std::size_t v = 0; v < Group::kVectors; ++v) {
      const std::size_t from = at + v * Group::kLanes;
      group.add(hn::LoadU(d, before + from), hn::LoadU(d, after + from), v);
    }
  };
  std::size_t i = 0;
  if (blocks > 0) {
    const std::uint8_t* const secret = xxh3_secret();
    Xxh3Vectors sums(*digest);
    for (std::size_t block = 0; block < blocks; ++block) {
      for (std::size_t g = 0; g < kGroups; ++g, i += kSumLanes) {
        add_group(i);
        const auto* const bytes = reinterpret_cast<const std::byte*>(after + i);
        const std::uint8_t* const key = secret + 8 * kStripesOfGroup * g;
        HWY_UNROLL(8)
        for (std::size_t s = 0; s < kStripesOfGroup; ++s)
          sums.add(bytes + kStripe * s, key + 8 * s);
      }
      sums.scramble(secret + 128);
    }
    sums.store(*digest);
  }
  for (; i + kSumLanes <= n; i += kSumLanes) add_group(i);
  group.store(lanes);
  for_each_vector(d, n - i, [&](auto access, std::size_t k) HWY_ATTR {
    group.add_rest(access.load(d, before + i + k), access.load(d, after + i + k), k, lanes);
  });
  group.finish(after, n, lanes);
}

// Blocks of an array that is digested only. Four stripes at a time: with sixteen the compiler would
// copy the whole secret to the stack first.
void digest_blocks(const std::byte* bytes, std::size_t blocks, Xxh3Sums::Lanes& digest) {
  constexpr std::size_t kUnrolled = 4;
  const std::uint8_t* const secret = xxh3_secret();
  Xxh3Vectors sums(digest);
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t s = 0; s < kStripesOfBlock; s += kUnrolled, bytes += kUnrolled * kStripe) {
      HWY_UNROLL(4)
      for (std::size_t u = 0; u < kUnrolled; ++u) {
        sums.add(bytes + kStripe * u, secret + 8 * (s + u));
      }
    }
    sums.scramble(secret + 128);
  }
  sums.store(digest);
}

void digest_end(const std::byte* end, std::size_t bytes, Xxh3Sums::Lanes& digest) {
  const std::uint8_t* const secret = xxh3_secret();
  Xxh3Vectors sums(digest);
  const std::byte* const begin = end - bytes;
  for (std::size_t s = 0; s < (bytes - 1) / kStripe; ++s) {
    sums.add(begin + kStripe * s, secret + 8 * s);
  }
  sums.add(end - kStripe, secret + 121);
  sums.store(digest);
}

// lane[l] + lane[l + half] for each l below half.
template <std::size_t half, class T>
HWY_INLINE void fold_once(T* lanes) {
  const hn::CappedTag<T, half> d;
  for (std::size_t l = 0; l < half; l += hn::Lanes(d)) {
    hn::Store(hn::Add(hn::Load(d, lanes + l), hn::Load(d, lanes + l + half)), d, lanes + l);
  }
}

// The fixed tree of docs/arithmetic.md, section 3, over the lanes of a sum.
template <class T>
T fold(const std::array<T, 64>& squares) {
  HWY_ALIGN T lanes[64];
  std::copy(squares.begin(), squares.end(), lanes);
  fold_once<32>(lanes);
  fold_once<16>(lanes);
  fold_once<8>(lanes);
  fold_once<4>(lanes);
  fold_once<2>(lanes);
  return lanes[0] + lanes[1];
}

ChangeTable change_table() {
  return {.lanes_f32 = compare_lanes<float>,
          .lanes_f64 = compare_lanes<double>,
          .fold_f32 = fold<float>,
          .fold_f64 = fold<double>,
          .digest_blocks = digest_blocks,
          .digest_end = digest_end,
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
double fold(const ChangeTable& table, const std::array<T, 64>& lanes) {
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<double>(table.fold_f32(lanes)) * 0x1p-96;
  } else {
    return table.fold_f64(lanes);
  }
}

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
void ChangeSum<T>::add(std::span<const T> before, std::span<const T> after, Xxh3Sums* digest) {
  PALINODE_ASSERT(before.size() == after.size() && in_chunk_ % 64 == 0);
  constexpr std::size_t kOfBlock = Xxh3Sums::kBlock / sizeof(T);
  const ChangeTable table = HWY_DYNAMIC_DISPATCH(change_table)();
  for (std::size_t i = 0; i < before.size();) {
    const std::size_t n = std::min(before.size() - i, kChunk - in_chunk_);
    std::size_t blocks = 0;
    if (digest != nullptr) {
      PALINODE_ASSERT(i % kOfBlock == 0);
      blocks = std::min(n / kOfBlock, digest->blocks_);
      digest->blocks_ -= blocks;
    }
    Xxh3Sums::Lanes* const sums = digest != nullptr ? &digest->lanes_ : nullptr;
    if constexpr (std::is_same_v<T, float>) {
      table.lanes_f32(before.data() + i, after.data() + i, n, lanes_, sums, blocks);
    } else {
      table.lanes_f64(before.data() + i, after.data() + i, n, lanes_, sums, blocks);
    }
    i += n;
    passed(n);
  }
}

template <class T>
void ChangeSum<T>::passed(std::size_t n) {
  PALINODE_ASSERT(n <= room());
  in_chunk_ += n;
  if (in_chunk_ < kChunk) return;
  chunks_.add(fold(HWY_DYNAMIC_DISPATCH(change_table)(), lanes_.squares));
  lanes_.squares = {};
  in_chunk_ = 0;
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
  const auto largest = static_cast<double>(std::bit_cast<T>(lanes_.largest));
  // Outside these bounds squares in f32 may lose their digits, or overflow; a NaN is outside too.
  const bool good = std::is_same_v<T, float>
                        ? largest == 0 || (largest >= 0x1p-96 && largest <= 0x1p9)
                        : largest < std::numeric_limits<double>::infinity();
  if (!good) return kernels::change(before, after);
  const double rest =
      in_chunk_ > 0 ? fold(HWY_DYNAMIC_DISPATCH(change_table)(), lanes_.squares) : 0;
  if (before.size() < kChunk) return {lanes_.changed, largest, std::sqrt(rest)};
  ChunkSums<double> chunks = chunks_;
  if (in_chunk_ > 0) chunks.add(rest);
  return {lanes_.changed, largest, std::sqrt(chunks.total())};
}

namespace {

constexpr std::uint64_t kPrime32[] = {0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D};
constexpr std::uint64_t kPrime64[] = {0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                                      0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5};

// Half of the digest: the products of neighbouring sums, folded and mixed.
std::uint64_t merged(const std::array<std::uint64_t, 8>& sums, std::size_t secret_at,
                     std::uint64_t start) {
  std::array<std::uint64_t, 8> secret;
  std::memcpy(secret.data(), xxh3_secret() + secret_at, sizeof(secret));
  std::uint64_t mixed = start;
  for (std::size_t i = 0; i < 8; i += 2) {
    std::uint64_t high = 0;
    const std::uint64_t low = hwy::Mul128(sums[i] ^ secret[i], sums[i + 1] ^ secret[i + 1], &high);
    mixed += low ^ high;
  }
  mixed = (mixed ^ mixed >> 37) * 0x165667919E3779F9;
  return mixed ^ mixed >> 32;
}

}  // namespace

const std::uint8_t* xxh3_secret() {
  static const std::array<std::uint8_t, 192> secret = [] {
    std::array<std::uint8_t, 192> bytes;
    XXH3_generateSecret_fromSeed(bytes.data(), 0);
    return bytes;
  }();
  return secret.data();
}

Xxh3Sums::Lanes Xxh3Sums::start() {
  return {{kPrime32[2], kPrime64[0], kPrime64[1], kPrime64[2], kPrime64[3], kPrime32[1],
           kPrime64[4], kPrime32[0]}};
}

void Xxh3Sums::add(std::span<const std::byte> bytes) {
  const std::size_t blocks = std::min(bytes.size() / kBlock, blocks_);
  HWY_DYNAMIC_DISPATCH(change_table)().digest_blocks(bytes.data(), blocks, lanes_);
  blocks_ -= blocks;
}

std::array<std::uint8_t, 16> Xxh3Sums::finish(std::span<const std::byte> array) const {
  PALINODE_ASSERT(array.size() >= kLong && blocks_ == 0);
  Lanes lanes = lanes_;
  const std::size_t size = array.size();
  HWY_DYNAMIC_DISPATCH(change_table)
  ().digest_end(array.data() + size, (size - 1) % kBlock + 1, lanes);
  const std::uint64_t low = merged(lanes.sums, 11, size * kPrime64[0]);
  const std::uint64_t high = merged(lanes.sums, 117, ~(size * kPrime64[1]));
  std::array<std::uint8_t, 16> digest{};
  for (std::size_t i = 0; i < 8; ++i) {
    digest[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    digest[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return digest;
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
