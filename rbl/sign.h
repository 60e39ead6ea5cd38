// Signatures: Ed25519 (RFC 8032, section 5.1) by OpenSSL, over the statement of a running unit
// (statement.h) or the manifest of a file (manifest.h).
//
//   const KeyPair keys = KeyPair::generate();
//   keys.save("me.key", "me.pub");                        // PEM; the first with mode 0600
//   const Signature signature = keys.sign(to_text(statement));
//   verify(to_text(statement), signature, keys.public_key());
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace palinode::rbl {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

class KeyPair {
 public:
  // From the system's random numbers: two are never equal, whatever the seed.
  static KeyPair generate();
  // The 32 bytes that RFC 8032 calls the private key.
  static KeyPair from_seed(const std::array<std::uint8_t, 32>& seed);
  // Throws FormatError naming a file that holds no Ed25519 private key, or that others than its
  // owner may read.
  static KeyPair load(const std::string& path);

  // Replaces the files, the private one readable by its owner only. Throws EnvironmentError.
  void save(const std::string& private_path, const std::string& public_path) const;

  PublicKey public_key() const;
  Signature sign(std::string_view message) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  using Handle = std::unique_ptr<evp_pkey_st, Free>;
  explicit KeyPair(Handle key) : key_(std::move(key)) {}
  Handle key_;
};

// Throws FormatError naming a file that holds no Ed25519 public key.
PublicKey load_public_key(const std::string& path);

bool verify(std::string_view message, const Signature& signature, const PublicKey& key);

// Throws FormatError, beginning with `what`, unless the text is `size` bytes in lower-case hex.
void read_hex(std::string_view text, std::uint8_t* out, std::size_t size, std::string_view what);
template <std::size_t kSize>
std::array<std::uint8_t, kSize> bytes_from_hex(std::string_view text, std::string_view what) {
  std::array<std::uint8_t, kSize> bytes{};
  read_hex(text, bytes.data(), kSize, what);
  return bytes;
}

}  // namespace palinode::rbl
