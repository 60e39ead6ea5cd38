#include "tensor/digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "tensor/error.h"

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

// Calls use(bytes) with the tensor's canonical bytes: the values themselves unless a NaN is among
// them.
template <class Use>
void with_canonical_bytes(const Tensor& tensor, const Use& use) {
  const Tensor compact = tensor.compact();
  with_element(compact.dtype(), [&]<class T>() {
    const std::span<const T> values = compact.values<T>();
    std::size_t nans = 0;
    for (const T x : values) nans += static_cast<std::size_t>(is_nan(x));
    if (nans == 0) return use(std::as_bytes(values));
    TensorBuilder builder(compact.shape(), compact.dtype());
    const std::span<T> cleaned = builder.values<T>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      cleaned[i] = is_nan(values[i]) ? canonical_nan<T>() : values[i];
    }
    use(std::as_bytes(std::span<const T>(cleaned)));
  });
}

void check(int ok) {
  if (ok != 1) throw EnvironmentError("sha256: OpenSSL refused the operation");
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw EnvironmentError("sha256: OpenSSL gives no context");
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

Sha256& Sha256::add(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
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
  check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  check(EVP_DigestInit_ex(context_.get(), nullptr, nullptr));
  return digest;
}

Sha256Digest sha256(std::string_view text) { return Sha256().add(text).finish(); }

Xxh3Digest xxh3(const Tensor& tensor) {
  Xxh3Digest digest{};
  with_canonical_bytes(tensor, [&](std::span<const std::byte> bytes) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
    static_assert(sizeof(canonical.digest) == sizeof(digest));
    std::copy_n(canonical.digest, digest.size(), digest.begin());
  });
  return digest;
}

Sha256Digest leaf_digest(std::string_view name, const Tensor& tensor) {
  Sha256 sha;
  const std::string_view zero("\0", 1);
  sha.add(name).add(zero).add(dtype_name(tensor.dtype())).add(zero);
  sha.add(static_cast<std::uint64_t>(tensor.shape().rank()));
  for (const std::size_t extent : tensor.shape().extents()) {
    sha.add(static_cast<std::uint64_t>(extent));
  }
  with_canonical_bytes(tensor, [&](std::span<const std::byte> bytes) { sha.add(bytes); });
  return sha.finish();
}

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace palinode
