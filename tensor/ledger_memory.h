// The records and payloads of a journal that has no file. Private to the ledger and its reader.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/digest.h"
#include "tensor/ledger.h"

namespace palinode {

struct LedgerMemory {
  Ledger::Level level = Ledger::Level::kJournal;
  std::uint64_t first = 0;  // number of the first record here, and the chain before it
  Sha256Digest head{};
  std::string records, payloads;
};

}  // namespace palinode
