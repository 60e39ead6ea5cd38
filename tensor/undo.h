// Taking writes back: the exact inverse of everything a journal holds past one record.
//
//   Ledger ledger(Ledger::Level::kJournal, "run/ledger.jsonl");
//   ...
//   const std::uint64_t good = ledger.sequence() - 1;  // the last record so far
//   ... 500 steps of an optimizer ...
//   ledger.commit(undo(ledger, good));                 // every bit as it was then
//
// Nothing is struck from the ledger: undoing is one more commit, with the reason `undo`, and can be
// undone. Entries created past the record are removed from their stores, newest first, each with a
// record that says so; entries removed past it come back in their places. What was frozen since
// then stays frozen, and a frozen store that would have to change makes the commit throw
// FrozenError.
#pragma once

#include <cstdint>

#include "tensor/ledger.h"

namespace palinode {

// The proposal that makes every entry what it was when record `to` was the last one. Its step is
// `to`. It is empty if no write came later. Every difference is checked against its record's
// SHA-256, and every value it gives against the XXH3-128 the ledger took of it then. Throws
//   Error        the ledger keeps no journal (its level is below), or only since a later record;
//                there is no record `to` yet, or it is inside a commit
//   FormatError  the ledger's file or its journal is damaged, or not this ledger's any more
Proposal undo(const Ledger& ledger, std::uint64_t to);

}  // namespace palinode
