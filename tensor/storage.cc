#include "tensor/storage.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "tensor/error.h"

namespace palinode {
namespace {

// Under AddressSanitizer every block is a heap block of its exact size, or it could not see past a
// pool's.
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

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kClasses = 48;                         // powers of two from 64 bytes up
constexpr std::size_t kKeptPerClass = std::size_t{1} << 26;  // 64 MiB; more goes back to the system

struct Free {
  void operator()(std::byte* block) const { std::free(block); }
};
using Block = std::unique_ptr<std::byte, Free>;

class Pool {
 public:
  Block take(std::size_t size_class) {
    {
      const std::scoped_lock lock(mutex_);
      auto& list = free_[size_class];
      if (!list.empty()) {
        Block block = std::move(list.back());
        list.pop_back();
        pooled_ -= kAlignment << size_class;
        return block;
      }
    }
    auto* block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, kAlignment << size_class));
    if (block == nullptr) throw std::bad_alloc();
    return Block(block);
  }

  void give_back(Block block, std::size_t size_class) {
    const std::scoped_lock lock(mutex_);
    auto& list = free_[size_class];
    if (list.size() << size_class >= kKeptPerClass / kAlignment) return;
    list.push_back(std::move(block));
    pooled_ += kAlignment << size_class;
  }

  std::size_t pooled() {
    const std::scoped_lock lock(mutex_);
    return pooled_;
  }

 private:
  std::mutex mutex_;
  std::array<std::vector<Block>, kClasses> free_;
  std::size_t pooled_ = 0;
};

// Never destroyed: tensors held in static objects may return their blocks at any point of the exit.
Pool& pool() {
  static Pool* const instance = std::make_unique<Pool>().release();
  return *instance;
}

}  // namespace

std::shared_ptr<std::byte> allocate(std::size_t bytes) {
  if (!kPooled) {
    void* block = nullptr;
    if (posix_memalign(&block, kAlignment, bytes) != 0) throw std::bad_alloc();
    return {static_cast<std::byte*>(block), Free()};
  }
  const std::size_t units = bytes <= kAlignment ? 1 : (bytes + kAlignment - 1) / kAlignment;
  const auto size_class = static_cast<std::size_t>(std::bit_width(units - 1));
  if (size_class >= kClasses) throw std::bad_alloc();
  Block block = pool().take(size_class);
  return {block.release(),
          [size_class](std::byte* data) { pool().give_back(Block(data), size_class); }};
}

std::size_t pooled_bytes() { return pool().pooled(); }

Arena::Arena(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  size_ = (bytes == 0 ? 1 : (bytes + page - 1) / page) * page;
  void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    throw EnvironmentError(std::string("freeze: no pages: ") + std::strerror(errno));
  }
  data_ = static_cast<std::byte*>(mapped);
}

Arena::~Arena() { munmap(data_, size_); }

void Arena::protect() {
  if (mprotect(data_, size_, PROT_READ) != 0) {
    throw EnvironmentError(std::string("freeze: pages stay writable: ") + std::strerror(errno));
  }
}

}  // namespace palinode
