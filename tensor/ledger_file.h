// Reading a ledger file back: is it whole, unaltered and in order?
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/digest.h"

namespace palinode {

// Goes through a ledger file record by record and recomputes the chain.
class LedgerReader {
 public:
  // Throws FormatError if the file cannot be read or does not begin like a ledger.
  explicit LedgerReader(const std::string& path);

  // Takes the next record; false at the end of the file and at a fault, which is then named.
  bool next();
  std::string_view body() const { return body_; }  // of the record taken last, without its chain

  // Of the records taken so far.
  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return bytes_; }
  const Sha256Digest& head() const { return head_; }
  const std::string& fault() const { return fault_; }  // of the line after them, or empty

 private:
  std::ifstream file_;
  Sha256 sha_;
  std::string line_, fault_;
  std::string_view body_;
  std::uint64_t records_ = 0, bytes_ = 0;
  Sha256Digest head_{};
};

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
