// Memory of tensors: shared blocks of the pool, and page-aligned arenas that can be made read-only.
#pragma once

#include <cstddef>
#include <memory>

namespace palinode {

// A block of at least `bytes` bytes, 64-byte aligned, uninitialized. It returns to the process-wide
// pool (pool.h) when the last handle goes. Thread-safe. Throws std::bad_alloc.
std::shared_ptr<std::byte> allocate(std::size_t bytes);

// Whole pages, writable until `protect` is called and read-only from then on. Handles into it keep
// it alive.
class Arena {
 public:
  // Throws EnvironmentError when the system gives no memory.
  explicit Arena(std::size_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* data() { return data_; }
  std::size_t size() const { return size_; }
  // From here any write to these pages is a fault, whoever makes it. Throws EnvironmentError if
  // refused.
  void protect();

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace palinode
