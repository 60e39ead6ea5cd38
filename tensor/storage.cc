#include "tensor/storage.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tensor/error.h"
#include "tensor/pool.h"

namespace palinode {

std::shared_ptr<std::byte> allocate(std::size_t bytes) {
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
