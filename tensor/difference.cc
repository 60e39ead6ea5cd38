#include "tensor/difference.h"

#define ZSTD_STATIC_LINKING_ONLY  // lets the contexts take their memory from the pool
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include "tensor/error.h"

namespace palinode {
namespace {

// Higher levels take several times as long for a percent or two: half of the bytes are noise.
constexpr int kLevel = 1;

template <std::size_t kWord>
void split_planes(std::span<const std::byte> a, std::span<const std::byte> b,
                  std::span<std::byte> planes) {
  const std::size_t count = a.size() / kWord;
  for (std::size_t plane = 0; plane < kWord; ++plane) {
    const std::span<std::byte> out = planes.subspan(plane * count, count);
    for (std::size_t i = 0; i < count; ++i) out[i] = a[i * kWord + plane] ^ b[i * kWord + plane];
  }
}

template <std::size_t kWord>
void join_planes(std::span<const std::byte> planes, std::span<const std::byte> value,
                 std::span<std::byte> out) {
  const std::size_t count = value.size() / kWord;
  for (std::size_t plane = 0; plane < kWord; ++plane) {
    const std::span<const std::byte> in = planes.subspan(plane * count, count);
    for (std::size_t i = 0; i < count; ++i) {
      out[i * kWord + plane] = value[i * kWord + plane] ^ in[i];
    }
  }
}

// The frame, a block for each plane, or 0 bytes if it does not fit.
std::size_t compress(ZSTD_CCtx* context, std::span<const std::byte> planes, std::size_t count,
                     std::span<char> room) {
  ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
  ZSTD_CCtx_setPledgedSrcSize(context, planes.size());
  ZSTD_outBuffer out{room.data(), room.size(), 0};
  for (std::size_t at = 0; at < planes.size(); at += count) {
    ZSTD_inBuffer in{planes.data() + at, count, 0};
    const bool last = at + count == planes.size();
    const std::size_t left =
        ZSTD_compressStream2(context, &out, &in, last ? ZSTD_e_end : ZSTD_e_flush);
    if (left != 0) return 0;  // bytes that found no room, or an error, of which that is one
  }
  return out.pos;
}

// Memory of the pool for zstd, which does not say how much it gives back: that stands before it.
constexpr std::size_t kBefore = 64;

void* take(void* /*opaque*/, std::size_t bytes) {
  try {
    std::byte* block = take_block(bytes + kBefore);
    std::memcpy(block, &bytes, sizeof bytes);
    return block + kBefore;
  } catch (const std::bad_alloc&) {
    return nullptr;  // zstd is C
  }
}

void give(void* /*opaque*/, void* address) {
  if (address == nullptr) return;
  std::byte* block = static_cast<std::byte*>(address) - kBefore;
  std::size_t bytes = 0;
  std::memcpy(&bytes, block, sizeof bytes);
  give_block(block, bytes + kBefore);
}

constexpr ZSTD_customMem kPool = {take, give, nullptr};

}  // namespace

void DifferenceEncoder::Free::operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
void DifferenceDecoder::Free::operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }

DifferenceEncoder::DifferenceEncoder() : context_(ZSTD_createCCtx_advanced(kPool)) {
  if (!context_) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
}

DifferenceDecoder::DifferenceDecoder() : context_(ZSTD_createDCtx_advanced(kPool)) {
  if (!context_) throw std::bad_alloc();
}

std::size_t DifferenceEncoder::append(const Tensor& before, const Tensor& after,
                                      PoolVector<char>& out) {
  PALINODE_ASSERT(before.shape() == after.shape() && before.dtype() == after.dtype());
  const Tensor from = before.compact(), to = after.compact();
  const std::size_t bytes = to.bytes(), begin = out.size();
  if (bytes == 0) return 0;
  const auto planes = pool_array<std::byte>(bytes);
  const std::span<std::byte> all(planes.get(), bytes);
  with_element(to.dtype(), [&]<class T>() {
    split_planes<sizeof(T)>(std::as_bytes(from.values<T>()), std::as_bytes(to.values<T>()), all);
  });
  out.resize(begin + bytes);
  const std::size_t packed =
      compress(context_.get(), all, to.elements(), std::span<char>(out).subspan(begin, bytes - 1));
  if (packed != 0) {
    out.resize(begin + packed);
    return packed;
  }
  const std::span<const char> raw(reinterpret_cast<const char*>(all.data()), bytes);
  std::ranges::copy(raw, out.begin() + static_cast<std::ptrdiff_t>(begin));
  return bytes;
}

Tensor DifferenceDecoder::apply(std::string_view difference, const Tensor& value) {
  const Tensor from = value.compact();
  const std::size_t bytes = from.bytes();
  std::span<const std::byte> planes = std::as_bytes(std::span(difference));
  PoolArray<std::byte> unpacked;
  if (difference.size() != bytes) {
    if (ZSTD_getFrameContentSize(difference.data(), difference.size()) != bytes) {
      throw FormatError("it is not a difference of this many bytes");
    }
    unpacked = pool_array<std::byte>(bytes);
    const std::size_t got = ZSTD_decompressDCtx(context_.get(), unpacked.get(), bytes,
                                                difference.data(), difference.size());
    if (ZSTD_isError(got) != 0U || got != bytes) throw FormatError("its zstd frame is damaged");
    planes = {unpacked.get(), bytes};
  }
  TensorBuilder builder(from.shape(), from.dtype());
  with_element(from.dtype(), [&]<class T>() {
    join_planes<sizeof(T)>(planes, std::as_bytes(from.values<T>()),
                           std::as_writable_bytes(builder.values<T>()));
  });
  return std::move(builder).build();
}

}  // namespace palinode
