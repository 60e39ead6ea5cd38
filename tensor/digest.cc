#include "tensor/digest.h"

// The functions of one digest, which OpenSSL 3 calls deprecated: the general ones take memory from
// the heap for every digest, and a ledger takes one for every record.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#define XXH_STATIC_LINKING_ONLY  // shows the state, which lies in a block of the pool
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the library's kernels for the processor at hand; the same digests
#else
#include <xxhash.h>
#endif

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tensor/pool.h"

namespace palinode {
namespace {

static_assert(std::endian::native == std::endian::little, "digests are over little-endian values");

template <class T>
T canonical_nan() {
  if constexpr (Half<T>) {
    return T{T::kNan};
  } else {
    return std::numeric_limits<T>::quiet_NaN();
  }
}

// Values looked at before they are digested: few enough to be in the cache still.
constexpr std::size_t kPiece = 4096;

template <class T>
bool has_nan(std::span<const T> values) {
  if constexpr (std::is_floating_point_v<T>) {
    return !values.empty() && is_nan(kernels::max(values));
  } else {
    return std::ranges::any_of(values, [](T x) { return is_nan(x); });
  }
}

// Calls use(bytes) with the canonical bytes of values, piece by piece: those themselves unless a
// NaN is among them, of which `no_nan` says that there is none.
template <class T, class Use>
void with_canonical_bytes(std::span<const T> values, bool no_nan, const Use& use) {
  if (no_nan) return use(std::as_bytes(values));
  for (std::size_t at = 0; at < values.size(); at += kPiece) {
    const auto piece = values.subspan(at, std::min(kPiece, values.size() - at));
    // The next piece comes from memory while this one is digested.
    for (std::size_t i = at + piece.size(); i < std::min(values.size(), at + 2 * kPiece);
         i += 64 / sizeof(T)) {
      __builtin_prefetch(&values[i], 0, 2);
    }
    if (!has_nan(piece)) {
      use(std::as_bytes(piece));
      continue;
    }
    PoolVector<T> cleaned(piece.begin(), piece.end());
    for (T& x : cleaned) x = is_nan(x) ? canonical_nan<T>() : x;
    use(std::as_bytes(std::span<const T>(cleaned)));
  }
}

Xxh3Digest digest_of(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Xxh3Digest digest{};
  static_assert(sizeof(canonical.digest) == sizeof(digest));
  std::copy_n(canonical.digest, digest.size(), digest.begin());
  return digest;
}

void check(int ok) {
  PALINODE_ASSERT(ok == 1);  // they fail on a null context only
}

}  // namespace

void Sha256::Free::operator()(SHA256_CTX* context) const {
  give_block(reinterpret_cast<std::byte*>(context), sizeof(SHA256_CTX));
}

Sha256::Sha256() : context_(reinterpret_cast<SHA256_CTX*>(take_block(sizeof(SHA256_CTX)))) {
  check(SHA256_Init(context_.get()));
}

Sha256& Sha256::add(std::span<const std::byte> bytes) {
  check(SHA256_Update(context_.get(), bytes.data(), bytes.size()));
  return *this;
}

Sha256& Sha256::add(std::string_view text) {
  return add(std::as_bytes(std::span<const char>(text.data(), text.size())));
}

Sha256& Sha256::add(std::uint64_t number) {
  return add(std::as_bytes(std::span<const std::uint64_t>(&number, 1)));
}

Sha256& Sha256::add(const Sha256Digest& digest) {
  return add(std::as_bytes(std::span<const std::uint8_t>(digest)));
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  check(SHA256_Final(digest.data(), context_.get()));
  check(SHA256_Init(context_.get()));
  return digest;
}

Sha256Digest sha256(std::string_view text) { return Sha256().add(text).finish(); }

void Xxh3::Free::operator()(XXH3_state_s* state) const {
  give_block(reinterpret_cast<std::byte*>(state), sizeof(XXH3_state_s));
}

Xxh3::Xxh3() : state_(reinterpret_cast<XXH3_state_s*>(take_block(sizeof(XXH3_state_s)))) {
  XXH3_INITSTATE(state_.get());
  XXH3_128bits_reset(state_.get());
}

template <class T>
void Xxh3::add(std::span<const T> values, bool no_nan) {
  with_canonical_bytes(values, no_nan, [&](std::span<const std::byte> bytes) {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  });
}

Xxh3Digest Xxh3::finish() const { return digest_of(XXH3_128bits_digest(state_.get())); }

template <class T>
Xxh3Digest xxh3(std::span<const T> values, bool no_nan) {
  if (no_nan || (values.size() <= kPiece && !has_nan(values))) {
    return digest_of(XXH3_128bits(values.data(), values.size_bytes()));
  }
  Xxh3 hash;
  hash.add(values);
  return hash.finish();
}

Xxh3Digest xxh3(const Tensor& tensor) {
  const Tensor compact = tensor.compact();
  return with_element(compact.dtype(), [&]<class T>() { return xxh3(compact.values<T>()); });
}

Sha256Digest leaf_digest(std::string_view name, const Tensor& tensor) {
  Sha256 sha;
  const std::string_view zero("\0", 1);
  sha.add(name).add(zero).add(dtype_name(tensor.dtype())).add(zero);
  sha.add(static_cast<std::uint64_t>(tensor.shape().rank()));
  for (const std::size_t extent : tensor.shape().extents()) {
    sha.add(static_cast<std::uint64_t>(extent));
  }
  const Tensor compact = tensor.compact();
  with_element(compact.dtype(), [&]<class T>() {
    with_canonical_bytes(compact.values<T>(), false,
                         [&](std::span<const std::byte> bytes) { sha.add(bytes); });
  });
  return sha.finish();
}

void write_hex(std::span<const std::uint8_t> bytes, char* out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    *out++ = kDigits[byte >> 4];
    *out++ = kDigits[byte & 15];
  }
}

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text(2 * bytes.size(), '0');
  write_hex(bytes, text.data());
  return text;
}

template void Xxh3::add(std::span<const float>, bool);
template void Xxh3::add(std::span<const double>, bool);
template Xxh3Digest xxh3(std::span<const float>, bool);
template Xxh3Digest xxh3(std::span<const double>, bool);
template Xxh3Digest xxh3(std::span<const std::int32_t>, bool);
template Xxh3Digest xxh3(std::span<const BFloat16>, bool);
template Xxh3Digest xxh3(std::span<const Float16>, bool);

}  // namespace palinode
