#include "rbl/sign.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::rbl {
namespace {

constexpr std::size_t kMaxKeyFile = 1 << 16;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void require(bool done, const char* what) {
  if (!done) throw EnvironmentError(fmt::format("sign: OpenSSL cannot {}", what));
}

Bio reading(const std::string& text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  require(bio != nullptr, "read a key");
  return bio;
}

std::string written(BIO* bio) {
  const char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(bio, &data));
  return {data, size};
}

PublicKey public_key_of(const EVP_PKEY* key) {
  PublicKey bytes{};
  std::size_t size = bytes.size();
  require(EVP_PKEY_get_raw_public_key(key, bytes.data(), &size) == 1 && size == bytes.size(),
          "give a public key");
  return bytes;
}

}  // namespace

void KeyPair::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

KeyPair KeyPair::generate() {
  Handle key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  require(key != nullptr, "make an Ed25519 key");
  return KeyPair(std::move(key));
}

KeyPair KeyPair::from_seed(const std::array<std::uint8_t, 32>& seed) {
  Handle key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  require(key != nullptr, "make an Ed25519 key");
  return KeyPair(std::move(key));
}

KeyPair KeyPair::load(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 0077) != 0) {
    throw FormatError(
        fmt::format("sign: {} may be read by others; a private key has mode 0600", path));
  }
  const std::string text = read_file(path, kMaxKeyFile);
  Handle key(PEM_read_bio_PrivateKey(reading(text).get(), nullptr, nullptr, nullptr));
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    throw FormatError(fmt::format("sign: {} holds no Ed25519 private key", path));
  }
  return KeyPair(std::move(key));
}

void KeyPair::save(const std::string& private_path, const std::string& public_path) const {
  const Bio secret(BIO_new(BIO_s_secmem())), open(BIO_new(BIO_s_mem()));
  require(secret != nullptr && open != nullptr &&
              PEM_write_bio_PrivateKey(secret.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                       nullptr) == 1 &&
              PEM_write_bio_PUBKEY(open.get(), key_.get()) == 1,
          "write a key");
  write_file_atomically(private_path, written(secret.get()), 0600);
  write_file_atomically(public_path, written(open.get()));
}

PublicKey KeyPair::public_key() const { return public_key_of(key_.get()); }

Signature KeyPair::sign(std::string_view message) const {
  Signature signature{};
  std::size_t size = signature.size();
  const Context context(EVP_MD_CTX_new());
  require(context != nullptr &&
              EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
              EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(message),
                             message.size()) == 1 &&
              size == signature.size(),
          "sign");
  return signature;
}

PublicKey load_public_key(const std::string& path) {
  const std::string text = read_file(path, kMaxKeyFile);
  const std::unique_ptr<EVP_PKEY, FreeKey> key(
      PEM_read_bio_PUBKEY(reading(text).get(), nullptr, nullptr, nullptr));
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    throw FormatError(fmt::format("sign: {} holds no Ed25519 public key", path));
  }
  return public_key_of(key.get());
}

bool verify(std::string_view message, const Signature& signature, const PublicKey& key) {
  const std::unique_ptr<EVP_PKEY, FreeKey> pkey(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const Context context(EVP_MD_CTX_new());
  require(context != nullptr, "verify");
  return pkey != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

void read_hex(std::string_view text, std::uint8_t* out, std::size_t size, std::string_view what) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  bool good = text.size() == 2 * size;
  for (std::size_t i = 0; good && i < size; ++i) {
    const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    if (good) out[i] = static_cast<std::uint8_t>(16 * high + low);
  }
  if (!good) {
    throw FormatError(fmt::format("{}: expected {} letters of hex, got \"{}\"", what, 2 * size,
                                  text.substr(0, 200)));
  }
}

}  // namespace palinode::rbl
