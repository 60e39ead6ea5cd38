// A run with a journal, taken back to an earlier record of its ledger.
#pragma once

#include <cstddef>
#include <cstdint>

#include "experiments/train/run_folder.h"
#include "tensor/digest.h"

namespace palinode::experiments::train {

struct TakenBack {
  std::uint64_t step = 0;                // of the optimizer, to which the run was taken back
  std::size_t written = 0, removed = 0;  // entries
  std::uint64_t records = 0;
  Sha256Digest head{};
};

// Makes of the run in `from` one in `to`, which holds no run yet: the same settings, the ledger of
// its last checkpoint with one more commit that undoes everything past record `seq`, and metrics,
// checkpoint and model as they were then. `from` stays as it is. The new run goes on like any that
// was stopped, and its weights are those that the first one had at every step. Throws
//   Error             there is no such record, it is inside a commit or before the network's first
//                     values, or the ledger's level is below journal
//   FormatError       the folder holds no run with a checkpoint, or its files are damaged
//   EnvironmentError  a file cannot be written
TakenBack take_back(const RunFolder& from, const RunFolder& to, std::uint64_t seq);

}  // namespace palinode::experiments::train
