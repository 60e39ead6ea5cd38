// Checkpoint: all stores of a ledger at one moment, in one file, so that a run that was stopped can
// go on as if it had not been.
//
//   save_checkpoint("run/step-400.safetensors", ledger, {{"step", "400"}});
//   ...
//   Ledger ledger(load_checkpoint("run/step-400.safetensors"), "run/ledger.jsonl");
//   const Store& theta = ledger.open("theta", Role::kIdentity);   // with the values it had
//
// Random numbers have addresses and no state, so a seed and a step in the notes restore them.
//
// The file is a safetensors file (tensor/safetensors.h). Its tensors are named "STORE:ENTRY"; its
// metadata are
//   palinode_checkpoint  "1"
//   ledger    "LEVEL SEQUENCE HEAD", HEAD in hex
//   stores    a line "store NAME ROLE FROZEN" for each store, FROZEN being the number of the freeze
//             or "-"; after it a line "NAME WRITTEN DIGEST" for each entry, in the order of their
//             creation: Entry::written, and the XXH3-128 of the value in hex
//   note.KEY  the caller's own, seed and step for instance
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/digest.h"
#include "tensor/ledger.h"
#include "tensor/proposal.h"
#include "tensor/store.h"

namespace palinode {

using Notes = std::map<std::string, std::string>;

struct Checkpoint {
  struct Kept {
    std::string name;
    Role role = Role::kIdentity;
    std::optional<std::uint64_t> frozen_since = {};
    std::vector<Entry> entries = {};  // each with its digest
  };

  Ledger::Level level = Ledger::Level::kDigest;
  std::uint64_t sequence = 0;  // Ledger::sequence() and head() when it was taken
  Sha256Digest head{};
  std::vector<Kept> stores = {};
  Notes notes = {};

  // Throws NameError if there is no such store.
  const Kept& at(std::string_view store) const;
};

// Shares the values, which cannot change: costs no copy, but digests where the ledger keeps none.
Checkpoint checkpoint_of(const Ledger& ledger, Notes notes = {});

// Replaces the file, whole or not at all. Throws EnvironmentError naming it if it cannot be
// written, FormatError if the notes do not fit into a header. The second takes a checkpoint of the
// ledger once its own file is on the disk: after a power cut there is no checkpoint whose records
// are missing.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
void save_checkpoint(const std::string& path, const Ledger& ledger, Notes notes = {});
// Throws FormatError naming file and place for anything but what `save_checkpoint` writes, a value
// that is not that of its digest included.
Checkpoint load_checkpoint(const std::string& path);

// Puts the values of one store into another, of this or any other ledger. Reason: load. Throws
// NameError if the checkpoint has no such store.
Proposal load_store(const Checkpoint& checkpoint, std::string_view store, const Store& to);

}  // namespace palinode
