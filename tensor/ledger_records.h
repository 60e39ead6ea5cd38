// The text of ledger records on their way to the chain and the file. Private to the ledger.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tensor/ledger.h"
#include "tensor/ledger_link.h"
#include "tensor/pool.h"

namespace palinode {

using Text = fmt::basic_memory_buffer<char, fmt::inline_buffer_size, PoolAllocator<char>>;

// How the chain of a file is made.
enum class LedgerFormat : std::uint8_t {
  kRecords = 1,  // a link over the text of every record: the level journal, and older files
  kCommits = 2,  // a link over all records of a commit (ledger_link.h); over the text of the others
};

constexpr LedgerFormat format_of(Ledger::Level level) {
  return level == Ledger::Level::kJournal ? LedgerFormat::kRecords : LedgerFormat::kCommits;
}

// What the text of a write says at every level.
struct RecordText {
  std::uint64_t seq = 0;
  std::string_view store, name;
  LinkHead commit = {};
  std::uint64_t elements = 0, changed = 0;
  double max_abs = 0, l2 = 0;
  bool removed = false;
  bool digests = false;                 // not at the level summary
  std::string_view before, after = {};  // in hex
};
void append_text(Text& out, const RecordText& record);

// The bodies of records, one after the other: all of a record but its chain and the closing brace.
struct Records {
  Text text;                     // of a commit below the level journal: only if somebody keeps it
  PoolVector<std::size_t> ends;  // where each body ends
  PoolVector<char> payloads;     // at the level journal, one after the other
  LinkBytes link;                // of a commit below it
};

}  // namespace palinode
