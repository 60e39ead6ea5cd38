#include "tensor/storage.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "tensor/error.h"
#include "tensor/pool.h"

namespace palinode {

namespace {

// Small blocks are one with what counts their handles, at the price of a line of the cache.
constexpr std::size_t kSmall = std::size_t{1} << 16;

struct alignas(64) Line {
  std::byte bytes[64];
};

}  // namespace

std::shared_ptr<std::byte> allocate(std::size_t bytes) {
  if (bytes <= kSmall) {
    const std::size_t lines = (bytes + sizeof(Line) - 1) / sizeof(Line);
    auto block = std::allocate_shared_for_overwrite<Line[]>(PoolAllocator<Line>(), lines);
    std::byte* const data = reinterpret_cast<std::byte*>(block.get());
    return {std::move(block), data};
  }
  return {take_block(bytes), [bytes](std::byte* block) { give_block(block, bytes); },
          PoolAllocator<std::byte>()};
}

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
