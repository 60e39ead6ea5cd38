// Manifest: the text that stands for a behavior file, for digests and signatures.
//
//   palinode behavior manifest 1
//   <key> <bytes of the value>
//   <value>
//   ...
//
// Every metadata key in the byte order of its name but those that are made from the manifest
// (`manifest`, `signature`, `public_key`). The count of bytes leaves one reading only, whatever a
// value holds. The tensors are in it through `digest`, which a reader has compared with them before
// it asks for the manifest.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "rbl/sign.h"
#include "tensor/digest.h"

namespace palinode::rbl {

using Metadata = std::map<std::string, std::string>;

inline constexpr const char* kManifest = "manifest";
inline constexpr const char* kSignature = "signature";
inline constexpr const char* kPublicKey = "public_key";

// What is signed.
std::string manifest(const Metadata& metadata);
// What the key `manifest` of a file holds: SHA-256 of that text, in hex.
std::string manifest_digest(const Metadata& metadata);

// Puts a signature of the manifest, and the key to check it with, into the metadata.
void sign(Metadata& metadata, const KeyPair& keys);
// Whose signature they carry; none without. Throws FormatError, beginning with `where`, for a
// signature that does not verify, or half of one.
std::optional<PublicKey> signer(const Metadata& metadata, std::string_view where);

}  // namespace palinode::rbl
