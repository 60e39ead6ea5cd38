// Packing: the operands of the matrix product copied into the order in which its tiles read them.

#if defined(PALINODE_TENSOR_KERNELS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PALINODE_TENSOR_KERNELS_PACK_INL_H_
#undef PALINODE_TENSOR_KERNELS_PACK_INL_H_
#else
#define PALINODE_TENSOR_KERNELS_PACK_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The side of a square that two interleavings turn: as many values as 16 bytes hold.
template <class T>
inline constexpr std::size_t kSide = HWY_TARGET == HWY_SCALAR ? 1 : 16 / sizeof(T);

#if HWY_TARGET == HWY_SCALAR

template <std::size_t kBlocks, class T>
HWY_INLINE void transpose_lines(const T* from, std::size_t, T* to, std::size_t) {
  to[0] = from[0];
}

#else

// 16 bytes of each of kBlocks lines that are kSide lines apart, side by side.
template <std::size_t kBlocks, class T>
HWY_INLINE auto load_blocks(const T* from, std::size_t line) {
  const hn::CappedTag<T, kBlocks * kSide<T> > d;
  if constexpr (kBlocks == 1) {
    return hn::LoadU(d, from);
  } else {
    const auto high = load_blocks<kBlocks / 2>(from + kBlocks / 2 * kSide<T> * line, line);
    return hn::Combine(d, high, load_blocks<kBlocks / 2>(from, line));
  }
}

// Turns kBlocks * kSide lines of kSide values each into kSide rows: to[p * width + x] = from[p + x
// * line]. Lanes cross no 16-byte block on the way.
template <std::size_t kBlocks, class T>
HWY_INLINE void transpose_lines(const T* from, std::size_t line, T* to, std::size_t width) {
  const hn::CappedTag<T, kBlocks * kSide<T> > d;
  if constexpr (kSide<T> == 2) {
    const auto r0 = load_blocks<kBlocks>(from, line);
    const auto r1 = load_blocks<kBlocks>(from + line, line);
    hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
    hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + width);
  } else {
    const auto r0 = load_blocks<kBlocks>(from, line);
    const auto r1 = load_blocks<kBlocks>(from + line, line);
    const auto r2 = load_blocks<kBlocks>(from + 2 * line, line);
    const auto r3 = load_blocks<kBlocks>(from + 3 * line, line);
    const auto low02 = hn::InterleaveLower(d, r0, r2);
    const auto low13 = hn::InterleaveLower(d, r1, r3);
    const auto high02 = hn::InterleaveUpper(d, r0, r2);
    const auto high13 = hn::InterleaveUpper(d, r1, r3);
    hn::StoreU(hn::InterleaveLower(d, low02, low13), d, to);
    hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, to + width);
    hn::StoreU(hn::InterleaveLower(d, high02, high13), d, to + 2 * width);
    hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, to + 3 * width);
  }
}

#endif

// All steps of the kBlocks * kSide lines from x on.
template <std::size_t kBlocks, class T>
HWY_INLINE void pack_lines(const T* from, std::size_t line, std::size_t steps, T* to,
                           std::size_t width) {
  std::size_t p = 0;
  for (; p + kSide<T> <= steps; p += kSide<T>) {
    transpose_lines<kBlocks>(from + p, line, to + p * width, width);
  }
  for (; p < steps; ++p) {
    for (std::size_t x = 0; x < kBlocks * kSide<T>; ++x) to[p * width + x] = from[p + x * line];
  }
}

// pack_panel for lines that are contiguous along the steps.
template <class T>
HWY_INLINE void pack_turned(const Panel<T>& from, std::size_t steps, std::size_t count, T* to,
                            std::size_t width) {
  constexpr std::size_t kMaxBlocks =
      HWY_TARGET == HWY_SCALAR ? 1 : hn::MaxLanes(hn::ScalableTag<T>()) / kSide<T>;
  const auto lines = [&]<std::size_t kBlocks>(std::size_t x) HWY_ATTR {
    pack_lines<kBlocks>(from.data + x * from.stride, from.stride, steps, to + x, width);
    return x + kBlocks * kSide<T>;
  };
  std::size_t x = 0;
  while (x + kMaxBlocks * kSide<T> <= count) x = lines.template operator()<kMaxBlocks>(x);
  if constexpr (kMaxBlocks == 4) {
    if (x + 2 * kSide<T> <= count) x = lines.template operator()<2>(x);
  }
  while (x + kSide<T> <= count) x = lines.template operator()<1>(x);
  // The last lines are done with some of their neighbours once more.
  if (x < count && count >= kSide<T>) x = lines.template operator()<1>(count - kSide<T>);
  for (; x < count; ++x) {
    for (std::size_t p = 0; p < steps; ++p) to[p * width + x] = from.data[p + x * from.stride];
  }
}

// to[p * width + x] = from value x of step p, for x < count; zeros from there to width.
template <class T>
HWY_INLINE void pack_panel(const Panel<T>& from, std::size_t steps, std::size_t count, T* to,
                           std::size_t width) {
  if (count < width) {
    for (std::size_t p = 0; p < steps; ++p) {
      std::fill(to + p * width + count, to + (p + 1) * width, T{0});
    }
  }
  if (from.stride == 1) {
    const hn::ScalableTag<T> d;
    for (std::size_t p = 0; p < steps; ++p) {
      const T* source = from.data + p * from.step;
      T* target = to + p * width;
      for_each_vector(d, count, [=](auto access, std::size_t x) HWY_ATTR {
        access.store(d, access.load(d, source + x), target + x);
      });
    }
  } else if (from.step == 1) {
    pack_turned(from, steps, count, to, width);
  } else {
    for (std::size_t x = 0; x < count; ++x) {
      const T* source = from.data + x * from.stride;
      for (std::size_t p = 0; p < steps; ++p) to[p * width + x] = source[p * from.step];
    }
  }
}

}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
