// What a runtime hands out for taking something away: a receipt for a detachment, a tombstone for a
// destruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rbl/certificate.h"
#include "rbl/statement.h"

namespace palinode::rbl {

// An optimizer's store that was emptied.
struct Dropped {
  std::string store;
  std::size_t entries = 0, bytes = 0;
  std::size_t held = 0;  // values that somebody else holds a handle to, which keep their bytes
};

struct Receipt {
  std::string action;                    // "detach", "swap", "quarantine", "kill"
  std::vector<std::string> units = {};   // that were detached, in the order of the stack
  std::vector<std::string> active = {};  // what is enabled now
  // What the function was without the units, with them, and is now. `before` is the plain identity
  // as it was when the runtime began, or, with other units left, a function built of those alone.
  // None for a runtime without probes.
  std::optional<Certificate> certificate = {};
  std::string unmeasured = {};  // why there is none all the same: the function could not be run
  std::vector<Dropped> optimizers = {};
  std::size_t bytes_freed = 0;
  std::vector<std::string> copies = {};  // merged with such a unit, and refused from now on
  std::uint64_t record = 0;              // of the event in the ledger
  Sha256Digest chain{};                  // the ledger's head after it

  bool exact() const { return certificate && certificate->exact(); }
};

std::string to_json(const Receipt& receipt);
std::string to_text(const Receipt& receipt);  // a few lines, for people

struct Tombstone {
  std::string unit, kind;
  Sha256Digest digest{};  // of its statement when it was destroyed
  Sha256Digest identity{};
  std::uint64_t version = 1;
  std::string reason, by;
  std::string file = {};  // that was removed
  std::size_t bytes_wiped = 0;
  std::uint64_t record = 0;
};

std::string to_json(const Tombstone& tombstone);
// Of the file at `path`: "<path>.tombstone.json".
std::string tombstone_path(const std::string& path);

}  // namespace palinode::rbl
