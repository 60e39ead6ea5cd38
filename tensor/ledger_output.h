// The files a ledger streams to: its records, and at the level journal their payloads. Private to
// the ledger.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/descriptor.h"

namespace palinode {

class LedgerOutput {
 public:
  LedgerOutput() = default;  // to no file
  // New files in place of those that are there. Without a journal, one left from an earlier ledger
  // of this path is removed, since its records are gone. Throws EnvironmentError naming the file.
  LedgerOutput(const std::string& path, bool journal);
  // Files that are there, cut to so many bytes each.
  LedgerOutput(const std::string& path, std::uint64_t records, bool journal,
               std::uint64_t payloads);

  bool open() const { return records_.file.open(); }

  // All of both, or nothing: what a full disk has taken already is cut off again. The payloads are
  // written first, so a record's payload is never missing. Throws EnvironmentError naming the file;
  // if even the cutting failed, every later append throws too.
  void append(std::string_view lines, std::string_view payloads);

  // Puts what is written on the disk, payloads first. Throws EnvironmentError if it can't.
  void sync() const;

 private:
  struct Part {
    std::string path;
    Descriptor file;
    std::uint64_t size = 0;
  };
  static Part start(const std::string& path);
  static Part resume(const std::string& path, std::uint64_t size);

  Part records_, payloads_;
  bool broken_ = false;
};

}  // namespace palinode
