// The text of ledger records on their way to the chain and the file. Private to the ledger.
#pragma once

#include <fmt/format.h>

#include <cstddef>

#include "tensor/pool.h"

namespace palinode {

using Text = fmt::basic_memory_buffer<char, fmt::inline_buffer_size, PoolAllocator<char>>;

// The bodies of records, one after the other: all of a record but its chain and the closing brace.
struct Records {
  Text text;
  PoolVector<std::size_t> ends;  // where each body ends
  PoolVector<char> payloads;     // at the level journal, one after the other
};

}  // namespace palinode
