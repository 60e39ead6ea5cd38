// The memory pool: blocks that come back are kept and given out again, so that a training step,
// which asks for the same sizes as the one before it, does not reach the heap.
//
// Thread-safe. Under AddressSanitizer nothing is kept: it could not see past the end of a block
// otherwise.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace palinode {

// A block of at least `bytes` bytes, 64-byte aligned, uninitialized. Throws std::bad_alloc.
std::byte* take_block(std::size_t bytes);
// Gives it back; `bytes` as it was asked for.
void give_block(std::byte* block, std::size_t bytes) noexcept;

// What the pool holds, for tests and for tuning: bytes in free blocks.
std::size_t pooled_bytes();

// The pool behind a standard container.
template <class T>
struct PoolAllocator {
  using value_type = T;

  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {
  }  // NOLINT(google-explicit-constructor): as the standard asks

  T* allocate(std::size_t count) { return reinterpret_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* values, std::size_t count) noexcept {
    give_block(reinterpret_cast<std::byte*>(values), count * sizeof(T));
  }
  friend bool operator==(const PoolAllocator&, const PoolAllocator&) { return true; }
};

template <class T>
using PoolVector = std::vector<T, PoolAllocator<T>>;

// An uninitialized array of the pool.
template <class T>
struct GiveBack {
  std::size_t bytes = 0;
  void operator()(T* values) const noexcept {
    give_block(reinterpret_cast<std::byte*>(values), bytes);
  }
};
template <class T>
using PoolArray = std::unique_ptr<T[], GiveBack<T>>;
template <class T>
PoolArray<T> pool_array(std::size_t count) {
  const std::size_t bytes = count * sizeof(T);
  return PoolArray<T>(reinterpret_cast<T*>(take_block(bytes)), {bytes});
}

// A string whose letters come from the pool, for names that are made anew in every step.
class PoolString : public std::basic_string<char, std::char_traits<char>, PoolAllocator<char>> {
 public:
  using Base = std::basic_string<char, std::char_traits<char>, PoolAllocator<char>>;
  PoolString() = default;
  PoolString(const char* text) : Base(text) {}       // NOLINT(google-explicit-constructor)
  PoolString(std::string_view text) : Base(text) {}  // NOLINT(google-explicit-constructor)
  PoolString(const std::string& text)
      : Base(text.c_str(), text.size()) {}  // NOLINT(google-explicit-constructor)

  std::string_view view() const { return {data(), size()}; }
};

}  // namespace palinode
