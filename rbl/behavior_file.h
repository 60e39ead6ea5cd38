// Behavior files: a behavior as one safetensors file (tensor/safetensors.h; docs/files.md).
//
//   metadata   format "palinode-behavior", format_version "1"
//              kind, sites (JSON list), settings (JSON object), dtype
//              identity, identity_buffers   fingerprints of what it was made for (hex)
//              digest                       of the tensors: it names this version of the unit
//              version, parent, command, seed, data_digest, code_version, forced_onto, note.KEY
//                                           what is known of where it comes from
//              manifest                     SHA-256 of all of these (manifest.h)
//              signature, public_key        over the manifest, if somebody signed it: one that does
//                                           not verify is refused
//   tensors    phi's by their names; low-rank factors and an adapter's two layers as [out, in]:
//              lora_A [rank, in] and lora_B [out, rank], as PEFT has them
//
// Nothing is optional but the third group's last line and the signature, nothing else is allowed,
// and settings are written in full: a file says alone what the unit computes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "rbl/behavior.h"
#include "rbl/manifest.h"
#include "tensor/safetensors.h"

namespace palinode::rbl {

inline constexpr std::string_view kBehaviorFormat = "palinode-behavior";

// Where a unit comes from; what is empty is not written.
struct BehaviorRecord {
  Sha256Digest identity{};                   // fingerprint of the theta it was made for
  std::optional<Sha256Digest> buffers = {};  // and of its statistics, if it has any
  std::string version = {}, parent = {};     // `parent`: the digest of the version before
  std::string command = {}, seed = {}, data_digest = {}, code_version = {};
  std::string forced_onto = {};  // fingerprint of another identity that it was loaded onto by force
  std::map<std::string, std::string> notes = {};  // free, written as note.KEY
};

// SHA-256 over the leaves (tensor/digest.h) of the unit's tensors as they lie in a file, in the
// byte order of their names: what its file states as `digest`.
Sha256Digest behavior_digest(const Behavior& unit);

// The record of a unit that is made for this identity.
BehaviorRecord record_of(const nn::Network& identity);

// The file's content, and the file, whole or not at all. Throws EnvironmentError if it cannot be
// written.
SafetensorsFile behavior_content(const Behavior& unit, const BehaviorRecord& record);
void save_behavior(const std::string& path, const Behavior& unit, const BehaviorRecord& record);

// Checks what can be checked without an identity: that this is a behavior file, and unaltered.
// Throws FormatError.
void check_behavior_file(const SafetensorsFile& content, const std::string& path);

// What to do with a unit that was made for another identity than the one it is loaded onto.
enum class OtherIdentity : std::uint8_t { kRefuse, kForce };

struct LoadedBehavior {
  BehaviorPointer unit;
  BehaviorRecord record;
  Metadata metadata;    // of the file
  bool forced = false;  // onto another identity; record.forced_onto names it
};

// Opens the store `name` and commits the file's values to it: reason load, proposer the kind, and
// "KIND.forced" if it was forced. Before anything is opened, throws FormatError naming the file for
// one that is no behavior's, altered (its digest or manifest is not that of its content), or made
// for another identity, and for a kind, site, setting or tensor that is unknown, missing, extra, or
// of another shape or type. NameError if the ledger has such a store.
LoadedBehavior load_behavior(Ledger& ledger, const nn::Network& identity, const std::string& path,
                             const std::string& name = "phi",
                             OtherIdentity other = OtherIdentity::kRefuse);
LoadedBehavior load_behavior(Ledger& ledger, const nn::Network& identity,
                             const SafetensorsFile& content, const std::string& path,
                             const std::string& name, OtherIdentity other);

}  // namespace palinode::rbl
