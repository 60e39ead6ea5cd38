// Reading a ledger back: is it whole, unaltered and in order, and what does it say?
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/descriptor.h"
#include "tensor/digest.h"
#include "tensor/ledger.h"
#include "tensor/ledger_record.h"
#include "tensor/pool.h"

namespace palinode {

// Where the payloads of the records in `path` are, unless somebody says otherwise.
inline std::string journal_path(const std::string& path) { return path + ".journal"; }

// Goes through a ledger record by record and recomputes the chain. The records of one commit must
// all be there: at the levels summary and digest they have one link of the chain, so what is wrong
// with one of them may show at the last only. At the level journal the payloads are read when they
// are asked for.
class LedgerReader {
 public:
  // Payloads are in `journal`, if that is empty in PATH.journal. Throws FormatError if a file
  // cannot be read, or the first does not begin like a ledger of a format that is known.
  explicit LedgerReader(const std::string& path, const std::string& journal = "");
  // The records of a ledger that is in memory, which outlives the reader.
  explicit LedgerReader(const LedgerMemory& memory);

  // Takes the next record; false at the end and at a fault, which is then named.
  bool next();
  std::string_view body() const { return body_; }  // of the record taken last, without its chain
  std::string_view line() const { return line_; }  // the whole of it, without its end
  // The same, taken apart. Throws FormatError, naming file and line, for one that is no record.
  Record record() const;

  // As the first record says; the format is of LedgerFormat (ledger_records.h).
  Ledger::Level level() const { return level_; }
  std::uint8_t format() const { return format_; }
  const std::string& name() const { return name_; }
  // The number of the next record: as many as were taken, if the ledger begins with record 0.
  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return bytes_; }        // of the records taken so far
  std::uint64_t payloads() const { return payloads_; }  // bytes of their payloads
  bool inside_commit() const { return records_ < commit_end_ || !link_.empty(); }
  const Sha256Digest& head() const { return head_; }   // of the links taken so far
  const std::string& fault() const { return fault_; }  // of the line after them, or empty
  // Throws FormatError naming file, line and fault if there is one.
  void require_no_fault() const;

  // The payload of a record, and of the one taken last. Throws FormatError, naming file and line,
  // if the journal ends before it or it is not the one the record tells of.
  std::string payload(const Record& record, std::uint64_t offset) const;
  std::string payload() const { return payload(records_ - 1, current_, payload_begin_); }
  bool has_payload() const { return !current_.sha256.empty(); }    // a write at the level journal
  std::uint64_t payload_offset() const { return payload_begin_; }  // of the record taken last
  // Bytes of the journal, 0 if there is none.
  std::uint64_t journal_bytes() const { return journal_bytes_; }

 private:
  [[noreturn]] void fail(std::uint64_t record, std::string_view what) const;
  std::string take();
  std::string take_link();
  std::string take_journal();
  std::string payload(std::uint64_t seq, const Record::Journal& journal,
                      std::uint64_t offset) const;

  std::string name_;
  std::unique_ptr<std::istream> lines_;
  std::string_view memory_;  // the payloads of a ledger in memory
  std::string journal_;
  Descriptor journal_file_;
  Ledger::Level level_ = Ledger::Level::kOff;
  std::uint8_t format_ = 1;
  Sha256 sha_;
  std::string line_, fault_;
  std::string_view body_;
  std::uint64_t first_ = 0, records_ = 0, bytes_ = 0;
  std::uint64_t payload_begin_ = 0, payloads_ = 0, journal_bytes_ = 0;
  Record::Journal current_;                          // of the record taken last
  std::uint64_t commit_begin_ = 0, commit_end_ = 0;  // of the commit whose records are being read
  // Of a ledger with a link for each commit: the link that is being read, its first record, and
  // what the last record of each entry says.
  struct Known {
    std::uint64_t seq, elements;
    std::string digest;  // in hex
  };
  PoolVector<char> link_;
  Record link_begin_;
  std::map<std::string, Known> known_;
  Sha256Digest head_{};
};

struct LedgerVerdict {
  bool intact = false;
  std::uint64_t records = 0;   // records in order before the first fault
  std::uint64_t payloads = 0;  // bytes of their payloads
  Sha256Digest head{};         // the chain after them
  std::string fault;           // "line 12: ..." or empty
};

// Recomputes the chain over every record, and at the level journal the digest of every payload; a
// commit or a line that is cut off, and payloads that no record names, are faults too. A tail that
// was cut off between two commits is only seen by comparing `head` with one kept elsewhere. Throws
// FormatError if a file cannot be read or does not begin like a ledger.
LedgerVerdict verify_ledger(const std::string& path, const std::string& journal = "");

// The records' text, for printing. Throws FormatError as above, and for a line that is no record.
std::vector<std::string> read_ledger(const std::string& path);

}  // namespace palinode
