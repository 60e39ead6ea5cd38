// What one link of the chain covers at the levels summary and digest: the records of a commit, as
// numbers instead of text (docs/ledger.md). Private to the ledger and its reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/digest.h"
#include "tensor/pool.h"

namespace palinode {

// What the records of one commit have in common.
struct LinkHead {
  std::uint64_t first = 0;  // number of the first record
  std::string_view reason, proposer;
  std::uint64_t seed = 0, step = 0;

  friend bool operator==(const LinkHead&, const LinkHead&) = default;
};

// What else a record says, or what that follows from: `previous` names the record of the entry's
// last write, which has told its name, size and digest; 0 is that of a new entry.
struct LinkRecord {
  std::uint64_t previous = 0;
  bool removed = false;
  std::string_view store, name;
  std::uint64_t elements = 0, changed = 0;
  double max_abs = 0, l2 = 0;
  std::optional<Xxh3Digest> after = {};  // at the level digest, unless the entry is removed
};

using LinkBytes = PoolVector<char>;

void append_link(LinkBytes& bytes, const LinkHead& head);
void append_link(LinkBytes& bytes, const LinkRecord& record);

}  // namespace palinode
