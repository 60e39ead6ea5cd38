// The statement of a behavior: everything that says which one it is, as one text. Its SHA-256 is
// the behavior's digest. The signature of a running unit signs it; that of a file signs the file's
// manifest (sign.h).
//
//   palinode-behavior 1
//   kind lora
//   setting alpha 8               one line each, in the byte order of the names; shortest decimal
//   setting rank 4                that is the number
//   site layer.0                  one line each, in the order of the config
//   identity 5f0c...              fingerprint of theta, in hex
//   version 3
//   parent 9e17...                digest of the version it came from, or "-"
//   values 27aa...                fingerprint of phi
//
// Every line ends with a newline, the last one too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rbl/behavior.h"
#include "tensor/digest.h"

namespace palinode::rbl {

struct Statement {
  BehaviorConfig config;
  Sha256Digest identity{};
  std::uint64_t version = 1;
  std::optional<Sha256Digest> parent = {};
  Sha256Digest values{};
};

std::string to_text(const Statement& statement);
Sha256Digest digest(const Statement& statement);

// The config alone, as JSON on one line, and back. Throws FormatError for anything else.
std::string to_json(const BehaviorConfig& config);
BehaviorConfig config_from_json(const std::string& text);

// 64 letters of hex. Throws FormatError, beginning with `what`, for anything else.
Sha256Digest digest_from_hex(std::string_view text, std::string_view what);

}  // namespace palinode::rbl
