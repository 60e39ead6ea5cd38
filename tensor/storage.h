// Memory of tensors that may still be filled: shared blocks of the pool.
#pragma once

#include <cstddef>
#include <memory>

namespace palinode {

// A block of at least `bytes` bytes, 64-byte aligned, uninitialized. It returns to the process-wide
// pool (pool.h) when the last handle goes. Thread-safe. Throws std::bad_alloc.
std::shared_ptr<std::byte> allocate(std::size_t bytes);

}  // namespace palinode
