// A journal played from its first record: every value it ever held, bit for bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/checkpoint.h"
#include "tensor/difference.h"
#include "tensor/ledger_file.h"

namespace palinode {

// Plays a journal forwards, a record at a time, from an empty ledger. Every difference is checked
// against its record's SHA-256, every value before and after a write against the XXH3-128 that the
// ledger took of it, and a frozen store against its fingerprint.
class LedgerReplay {
 public:
  // Payloads are in `journal`, if that is empty in PATH.journal. Throws FormatError as LedgerReader
  // does, and Error if the ledger's level is below journal.
  explicit LedgerReplay(const std::string& path, const std::string& journal = "");

  // Plays the next record; false at the end. Throws FormatError, naming file and line, at a fault.
  bool next();

  const Record& record() const { return record_; }  // played last
  const Tensor& before() const { return before_; }  // of a write; zeros for a new entry
  const Tensor& after() const { return after_; }    // zeros for an entry that is removed
  const LedgerReader& reader() const { return reader_; }

  // All stores that ever had an entry, in the order of their first, as they are now: what
  // checkpoint_of() gives of the ledger that wrote these records, but for stores that are empty.
  // Throws Error inside a commit.
  Checkpoint checkpoint() const;

 private:
  [[noreturn]] void fail(const std::string& what) const;
  Checkpoint::Kept& store_of();
  void freeze();
  void write();
  void check(const Tensor& value, const std::string& digest, const char* when) const;

  LedgerReader reader_;
  DifferenceDecoder decoder_;
  Record record_;
  Tensor before_, after_;
  std::vector<Checkpoint::Kept> stores_;
};

// The state after record `to`, or after the last one. Throws as LedgerReplay does, and Error if
// there is no such record or it is inside a commit.
Checkpoint replay_ledger(const std::string& path, std::optional<std::uint64_t> to = {},
                         const std::string& journal = "");

// What differs between two states: "" if every store has the same entries in the same order, each
// with the same bits, written by the same record, and the chain is the same; else the first
// difference, by name. Stores without an entry do not count.
std::string first_difference(const Checkpoint& a, const Checkpoint& b);

}  // namespace palinode
