// Content digests: SHA-256 and XXH3-128 over values, not over files or addresses
// (docs/arithmetic.md, section 9).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

struct SHA256state_st;  // OpenSSL's SHA256_CTX
struct XXH3_state_s;    // xxHash's XXH3_state_t

namespace palinode {

using Sha256Digest = std::array<std::uint8_t, 32>;
using Xxh3Digest = std::array<std::uint8_t, 16>;

// SHA-256 over bytes as they come.
class Sha256 {
 public:
  Sha256();
  Sha256& add(std::span<const std::byte> bytes);
  Sha256& add(std::string_view text);
  Sha256& add(std::uint64_t number);  // 8 bytes, little-endian
  Sha256& add(const Sha256Digest& digest);
  // The digest of all that was added; starts afresh.
  Sha256Digest finish();

 private:
  struct Free {
    void operator()(SHA256state_st* context) const;
  };
  std::unique_ptr<SHA256state_st, Free> context_;
};

Sha256Digest sha256(std::string_view text);

// XXH3-128 over the values of one tensor as they come, NaNs replaced by the canonical quiet NaN.
// `no_nan` says that none is among them, which saves the search.
class Xxh3 {
 public:
  Xxh3();
  template <class T>
  void add(std::span<const T> values, bool no_nan = false);
  Xxh3Digest finish() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

// XXH3-128 of values that are all here, in row-major order, NaNs replaced likewise.
template <class T>
Xxh3Digest xxh3(std::span<const T> values, bool no_nan = false);
Xxh3Digest xxh3(const Tensor& tensor);

// SHA-256 of one named tensor: name, dtype, rank, extents, values. A leaf of a store's fingerprint.
Sha256Digest leaf_digest(std::string_view name, const Tensor& tensor);

std::string hex(std::span<const std::uint8_t> bytes);
// The same into `out`, two letters a byte.
void write_hex(std::span<const std::uint8_t> bytes, char* out);

}  // namespace palinode
