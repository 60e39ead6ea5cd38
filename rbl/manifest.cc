#include "rbl/manifest.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace palinode::rbl {

std::string manifest(const Metadata& metadata) {
  std::string text = "palinode behavior manifest 1\n";
  for (const auto& [key, value] : metadata) {
    if (key == kManifest || key == kSignature || key == kPublicKey) continue;
    text += fmt::format("{} {}\n{}\n", key, value.size(), value);
  }
  return text;
}

std::string manifest_digest(const Metadata& metadata) { return hex(sha256(manifest(metadata))); }

void sign(Metadata& metadata, const KeyPair& keys) {
  metadata[kSignature] = hex(keys.sign(manifest(metadata)));
  metadata[kPublicKey] = hex(keys.public_key());
}

std::optional<PublicKey> signer(const Metadata& metadata, std::string_view where) {
  const auto signature = metadata.find(kSignature), key = metadata.find(kPublicKey);
  if (signature == metadata.end() && key == metadata.end()) return std::nullopt;
  if (signature == metadata.end() || key == metadata.end()) {
    throw FormatError(
        fmt::format("{}: a signature is there with its public key, or neither", where));
  }
  const auto key_bytes =
      bytes_from_hex<sizeof(PublicKey)>(key->second, fmt::format("{}: {}", where, kPublicKey));
  const auto signature_bytes = bytes_from_hex<sizeof(Signature)>(
      signature->second, fmt::format("{}: {}", where, kSignature));
  if (verify(manifest(metadata), signature_bytes, key_bytes)) return key_bytes;
  throw FormatError(
      fmt::format("{}: its signature is not that of this content by {}", where, key->second));
}

}  // namespace palinode::rbl
