#include "tensor/arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tensor/descriptor.h"
#include "tensor/error.h"

namespace palinode {
namespace {

constexpr std::size_t kCacheLine = 64;
// MFD_NOEXEC_SEAL of Linux 6.3: older ones refuse it, and some configurations refuse its absence.
constexpr unsigned kNoExecSeal = 8;
constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

constexpr std::size_t rounded_up(std::size_t size, std::size_t unit) {
  return (size + unit - 1) / unit * unit;
}

int memory_file() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int file = ::memfd_create("palinode", kFlags | kNoExecSeal);
  return file >= 0 ? file : ::memfd_create("palinode", kFlags);
}

bool write_at(int file, std::span<const std::byte> bytes, std::size_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

std::string_view guard_name(Guard guard) {
  return guard == Guard::kSealed ? "sealed" : "protected";
}

Arena::Arena(std::span<const std::span<const std::byte>> parts, Guard strongest)
    : guard_(strongest) {
  for (const std::span<const std::byte> part : parts) {
    offsets_.push_back(size_);
    size_ += rounded_up(part.size(), kCacheLine);
  }
  size_ = rounded_up(std::max<std::size_t>(size_, 1),
                     static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  if (guard_ == Guard::kSealed && map_sealed(parts)) return;
  guard_ = Guard::kProtected;
  map_protected(parts);
}

Arena::~Arena() { ::munmap(pages_, size_); }

bool Arena::map_sealed(std::span<const std::span<const std::byte>> parts) {
  const Descriptor file(memory_file());
  if (!file.open() || ::ftruncate(file.get(), static_cast<off_t>(size_)) != 0) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!write_at(file.get(), parts[i], offsets_[i])) return false;
  }
  if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return false;
  // Through a descriptor for reading only, which takes the right to become writable from the
  // mapping; before Linux 6.7 the other one could not be mapped at all.
  const std::string name = fmt::format("/proc/self/fd/{}", file.get());
  const Descriptor readable(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable.open()) return false;
  void* const mapped =
      ::mmap(nullptr, size_, PROT_READ, MAP_SHARED | MAP_POPULATE, readable.get(), 0);
  if (mapped == MAP_FAILED) return false;
  pages_ = static_cast<std::byte*>(mapped);
  return true;
}

void Arena::map_protected(std::span<const std::span<const std::byte>> parts) {
  // Shared, because /proc/self/mem writes to private pages whatever their protection.
  void* const mapped =
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    throw EnvironmentError(fmt::format("freeze: no pages: {}", std::strerror(errno)));
  }
  pages_ = static_cast<std::byte*>(mapped);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::ranges::copy(parts[i], pages_ + offsets_[i]);
  }
  if (::mprotect(pages_, size_, PROT_READ) == 0) return;
  const int reason = errno;
  ::munmap(pages_, size_);
  throw EnvironmentError(fmt::format("freeze: pages stay writable: {}", std::strerror(reason)));
}

}  // namespace palinode
