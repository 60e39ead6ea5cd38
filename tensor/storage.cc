#include "tensor/storage.h"

#include <utility>

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

}  // namespace palinode
