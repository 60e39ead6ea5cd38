// What each operation changed: a ledger summed up by who wrote and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor/kernels/change.h"
#include "tensor/ledger_file.h"

namespace palinode {

// What one operation did to one tensor.
struct TensorChange {
  std::string store, name;
  std::uint64_t elements = 0;
  std::uint64_t writes = 0;
  std::uint64_t changed = 0;  // elements whose bits changed, added up over the writes
  double max_abs = 0;         // the largest change of an element in one write
  double l2 = 0;              // of the writes' changes together: the root of the sum of squares
  bool created = false, removed = false;  // at the level journal, and removals at every level
  // From the value before the operation to that after it, at the level journal; from and to zeros
  // for a tensor that was made or removed.
  std::optional<kernels::Change> net = {};
};

// Neighbouring writes of one proposer for one reason, or a freeze.
struct Operation {
  std::string reason, proposer;                 // of a freeze: "freeze" and the store
  std::uint64_t first = 0, last = 0;            // records
  std::uint64_t first_step = 0, last_step = 0;  // the proposer's own count
  std::vector<TensorChange> changes = {};       // in the order of their first write
  // Tensors that were there and have the same bits still: those nobody wrote, and those whose
  // writes changed no bit. STORE/ENTRY, in the order of their creation.
  std::vector<std::string> unchanged = {};
};

enum class Grouping : std::uint8_t {
  kRuns,  // all neighbouring writes of one proposer for one reason are one operation
  // Each commit is one. Below the level journal a ledger does not say where a commit ends: there it
  // is where step or seed change or a tensor is written again.
  kCommits,
};

// Throws FormatError for a damaged ledger; at the level journal that includes its payloads, which
// are in `journal` or, if that is empty, in PATH.journal.
std::vector<Operation> report_ledger(const std::string& path, Grouping grouping = Grouping::kRuns,
                                     const std::string& journal = "");

}  // namespace palinode
