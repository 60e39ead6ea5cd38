#include "tensor/kernels/dropout.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/layer_tables.h"
#include "tensor/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/dropout.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/philox-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// The words of `blocks` blocks from `first` on, a multiple of a power of two that is at least
// `blocks`, so that the low word of the counter carries nothing. `words` has room for whole vectors
// of blocks.
void words_of(RngKey key, std::uint64_t first, std::size_t blocks, std::uint32_t* words) {
  const hn::ScalableTag<std::uint32_t> d;
  const auto high_word = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto low_word = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto w1 = hn::Set(d, high_word(first));
  const auto w2 = hn::Set(d, low_word(key.stream));
  const auto w3 = hn::Set(d, high_word(key.stream));
  for (std::size_t i = 0; i < blocks; i += hn::Lanes(d)) {
    const auto w0 = hn::Iota(d, low_word(first + i));
    const auto w = Philox(d, PhiloxBlocks<hn::Vec<decltype(d)>>{w0, w1, w2, w3}, low_word(key.seed),
                          high_word(key.seed));
    hn::StoreInterleaved4(w.w0, w.w1, w.w2, w.w3, d, words + 4 * i);
  }
}

template <class T>
void drop(const std::uint32_t* words, std::uint32_t threshold, T scale, const T* x, T* out,
          std::size_t n) {
  const hn::ScalableTag<T> d;
  const hn::Rebind<std::uint32_t, decltype(d)> d32;
  const auto factor = hn::Set(d, scale);
  for_each_vector(d, n, [=](auto access, std::size_t i) HWY_ATTR {
    const auto word = access.load(d32, words + i);
    const auto y = hn::Mul(access.load(d, x + i), factor);
    if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
      const auto dropped = hn::RebindMask(d, hn::Lt(word, hn::Set(d32, threshold)));
      access.store(d, hn::IfThenZeroElse(dropped, y), out + i);
    } else {
      const hn::RebindToUnsigned<decltype(d)> du;
      const hn::RebindToSigned<decltype(d)> di;
      const auto wide = hn::BitCast(di, hn::PromoteTo(du, word));
      const auto dropped = hn::Lt(wide, hn::Set(di, static_cast<std::int64_t>(threshold)));
      access.store(d, hn::IfThenZeroElse(hn::RebindMask(d, dropped), y), out + i);
    }
  });
}

DropoutTable dropout_table() { return {words_of, drop<float>, drop<double>}; }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(dropout_table);

DropoutTable table() { return HWY_DYNAMIC_DISPATCH(dropout_table)(); }

constexpr std::size_t kBlocks = 256;  // at a time
constexpr std::size_t kWords = 4 * kBlocks;

void (*drop_of(const DropoutTable& functions, float))(const std::uint32_t*, std::uint32_t, float,
                                                      const float*, float*, std::size_t) {
  return functions.drop_f32;
}
void (*drop_of(const DropoutTable& functions, double))(const std::uint32_t*, std::uint32_t, double,
                                                       const double*, double*, std::size_t) {
  return functions.drop_f64;
}

}  // namespace

template <class T>
void dropout(RngKey key, std::uint32_t threshold, T scale, std::span<const T> x, std::span<T> out,
             std::uint64_t first) {
  PALINODE_ASSERT(x.size() == out.size());
  const DropoutTable functions = table();
  const auto drop = drop_of(functions, T{});
  // Chunks lie where they lie in the stream, so the one x begins in may be a part of one.
  const std::uint64_t chunk_before = first / kWords;
  const std::size_t skipped = first % kWords, all = skipped + x.size();
  const auto body = [&](std::size_t begin, std::size_t end) {
    alignas(64) std::uint32_t words[kWords];
    for (std::size_t chunk = begin; chunk < end; ++chunk) {
      const std::size_t from = chunk == 0 ? skipped : 0;  // in the chunk
      const std::size_t to = std::min(kWords, all - chunk * kWords);
      const std::size_t at = chunk * kWords + from - skipped;  // in x
      functions.words(key, (chunk_before + chunk) * kBlocks, (to + 3) / 4, words);
      drop(words + from, threshold, scale, x.data() + at, out.data() + at, to - from);
    }
  };
  parallel_for((all + kWords - 1) / kWords, 16, std::ref(body));
}

void random_words(RngKey key, std::uint64_t block, std::span<std::uint32_t> words) {
  alignas(64) std::uint32_t chunk[kWords];
  const DropoutTable functions = table();
  for (std::size_t done = 0; done < words.size();) {
    const std::size_t skipped = block % kBlocks * 4;
    const std::size_t n = std::min(kWords - skipped, words.size() - done);
    functions.words(key, block - block % kBlocks, (skipped + n + 3) / 4, chunk);
    std::memcpy(words.data() + done, chunk + skipped, n * sizeof(std::uint32_t));
    done += n;
    block = block - block % kBlocks + kBlocks;
  }
}

template void dropout(RngKey, std::uint32_t, float, std::span<const float>, std::span<float>,
                      std::uint64_t);
template void dropout(RngKey, std::uint32_t, double, std::span<const double>, std::span<double>,
                      std::uint64_t);

}  // namespace palinode::kernels
#endif  // HWY_ONCE
