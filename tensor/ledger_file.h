// Reading a ledger file back: is it whole, unaltered and in order?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/digest.h"

namespace palinode {

struct LedgerVerdict {
  bool intact = false;
  std::uint64_t records = 0;  // records in order before the first fault
  Sha256Digest head{};        // the chain after them
  std::string fault;          // "line 12: ..." or empty
};

// Recomputes the chain over every record. A cut-off tail is only seen by comparing `head` with one
// kept elsewhere. Throws FormatError if the file cannot be read or does not begin like a ledger.
LedgerVerdict verify_ledger(const std::string& path);

// The records' text, for printing. Throws FormatError as above, and for a line that is no record.
std::vector<std::string> read_ledger(const std::string& path);

}  // namespace palinode
