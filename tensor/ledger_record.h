// One record of a ledger, taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/shape.h"
#include "tensor/store.h"

namespace palinode {

// The text of a field of a record, "" if it has none; no name or digest in one needs an escape.
std::string_view text_field(std::string_view body, std::string_view name);

struct Record {
  enum class Kind : std::uint8_t { kBegin, kWrite, kFreeze };

  // What the level journal adds, and what it takes to make an entry anew.
  struct Journal {
    std::uint64_t first = 0, last = 0;  // records of the commit this one is part of
    std::uint64_t bytes = 0;            // of its payload
    std::string sha256;                 // of its payload, in hex
    // Of an entry that is created or removed.
    std::optional<Dtype> dtype = {};
    Shape shape = Shape::nothing();
  };

  Kind kind = Kind::kBegin;
  std::uint64_t seq = 0;
  std::string store;                   // of a write or a freeze
  std::string name, reason, proposer;  // of a write, as is the rest
  std::uint64_t seed = 0, step = 0, elements = 0, changed = 0;
  double max_abs = 0, l2 = 0;
  bool removed = false;            // the entry is gone
  std::string before, after;       // XXH3-128 in hex; "" of nothing, and at the level summary
  std::optional<Journal> journal;  // at the level journal
  std::optional<Role> role;        // likewise, of a store that is frozen or that the entry enters
  std::string fingerprint;         // of a freeze

  bool created() const { return journal && before.empty(); }
  std::string where() const { return store + "/" + name; }
};

// What the level journal adds to a write at the end of its text, but for dtype and shape; nothing
// if that is not there. Costs a part of parse_record.
std::optional<Record::Journal> journal_suffix(std::string_view body);

// Of a record's text without its chain, as LedgerReader gives it. Throws FormatError saying what is
// missing or of another form.
Record parse_record(std::string_view body);

}  // namespace palinode
