#include "tensor/pool.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#include "tensor/wipe.h"

namespace palinode {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
#else
constexpr bool kPooled = true;
#endif

constexpr std::size_t kUnit = 64;                            // bytes: the alignment of every block
constexpr std::size_t kClasses = 176;                        // up to 2^45 units
constexpr std::size_t kKeptPerClass = std::size_t{1} << 26;  // 64 MiB; more goes back to the system

// Four sizes to an octave, so that a block wastes at most a fifth: 1, 2, 3, 4 units, then 5, 6, 7,
// 8, then 10, 12, 14, 16, and so on.
struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

SizeClass class_of(std::size_t bytes) {
  const std::size_t units = bytes <= kUnit ? 1 : bytes / kUnit + (bytes % kUnit == 0 ? 0 : 1);
  if (units <= 4) return {units - 1, units * kUnit};
  const auto shift = static_cast<std::size_t>(std::bit_width(units - 1)) - 3;
  const std::size_t quarter = (units - 1) >> shift;  // 4 to 7
  return {4 * shift + quarter, ((quarter + 1) << shift) * kUnit};
}

// A free block holds the link to the next one of its class in its own first bytes, so that keeping
// one needs no memory.
struct Free {
  Free* next;
};

std::byte* from_system(std::size_t bytes) {
  auto* block = static_cast<std::byte*>(std::aligned_alloc(kUnit, bytes));
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

// Whether there is no second thread, and so nobody to lock out. In doubt there is one.
bool alone() noexcept {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded != 0;
#else
  return false;
#endif
}

// Held for a few instructions at a time, so waiting in a loop is cheaper than a mutex; and nothing
// made there starts a thread, so that one who is alone need not take it.
class SpinLock {
 public:
  void lock() noexcept {
    if (alone()) return;
    while (held_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() noexcept { held_.clear(std::memory_order_release); }

 private:
  std::atomic_flag held_;
};

class Pool {
 public:
  std::byte* take(const SizeClass& size) {
    {
      const std::scoped_lock lock(mutex_);
      if (Free* block = free_[size.index]; block != nullptr) {
        free_[size.index] = block->next;
        kept_[size.index] -= size.bytes;
        std::destroy_at(block);
        return reinterpret_cast<std::byte*>(block);
      }
    }
    return from_system(size.bytes);
  }

  void give_back(std::byte* block, const SizeClass& size) noexcept {
    {
      const std::scoped_lock lock(mutex_);
      if (kept_[size.index] + size.bytes <= kKeptPerClass) {
        kept_[size.index] += size.bytes;
        free_[size.index] =
            std::construct_at(reinterpret_cast<Free*>(block), Free{free_[size.index]});
        return;
      }
    }
    std::free(block);
  }

  std::size_t pooled() {
    const std::scoped_lock lock(mutex_);
    std::size_t total = 0;
    for (const std::size_t kept : kept_) total += kept;
    return total;
  }

 private:
  SpinLock mutex_;
  std::array<Free*, kClasses> free_{};
  std::array<std::size_t, kClasses> kept_{};
};

// Never destroyed: tensors held in static objects may return their blocks at any point of the exit.
Pool& pool() {
  static Pool* const instance = std::make_unique<Pool>().release();
  return *instance;
}

thread_local int wiping = 0;

}  // namespace

WipeReleased::WipeReleased() { ++wiping; }
WipeReleased::~WipeReleased() { --wiping; }

std::byte* take_block(std::size_t bytes) {
  constexpr std::size_t kMost = std::size_t{1} << 48;
  if (bytes > kMost) throw std::bad_alloc();
  if (!kPooled) {
    void* block = nullptr;
    if (posix_memalign(&block, kUnit, bytes) != 0) throw std::bad_alloc();
    return static_cast<std::byte*>(block);
  }
  return pool().take(class_of(bytes));
}

void give_block(std::byte* block, std::size_t bytes) noexcept {
  // Unlike memset, not left out for memory that nobody reads again.
  if (wiping > 0) explicit_bzero(block, bytes);
  if (!kPooled) return std::free(block);
  pool().give_back(block, class_of(bytes));
}

std::size_t pooled_bytes() { return pool().pooled(); }

}  // namespace palinode
