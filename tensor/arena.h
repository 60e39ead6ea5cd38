// Arena: values in pages that cannot be written any more.
//
// Sealed pages belong to a memfd (memfd_create(2)) that is filled with write(2), sealed with
// F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL, and only then mapped, for reading. They
// never were in a writable mapping, and nothing can make one: mprotect and madvise(MADV_REMOVE) are
// refused, and so are process_vm_writev (EFAULT), /proc/self/mem (EIO), which does write to private
// read-only pages, and any descriptor of the file (EPERM). What remains is to unmap the pages or to
// map others in their place, and the kernel itself.
//
// Where the system has no memfd or no /proc, pages are mapped anonymously, filled and made
// read-only by mprotect. A stray write faults there too, and process_vm_writev and /proc/self/mem
// are refused, but one who means to can call mprotect again, or madvise(MADV_REMOVE).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace palinode {

// What keeps a frozen value from being written, the weaker first.
enum class Guard : std::uint8_t { kProtected, kSealed };

std::string_view guard_name(Guard guard);  // "protected", "sealed"

class Arena {
 public:
  // Copies the parts, each to a 64-byte boundary, behind the strongest guard the system has up to
  // `strongest`. Throws EnvironmentError when it gives no pages or cannot protect them.
  explicit Arena(std::span<const std::span<const std::byte>> parts,
                 Guard strongest = Guard::kSealed);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  const std::byte* part(std::size_t i) const { return pages_ + offsets_[i]; }
  std::size_t size() const { return size_; }  // whole pages, at least one
  Guard guard() const { return guard_; }

 private:
  bool map_sealed(std::span<const std::span<const std::byte>> parts);
  void map_protected(std::span<const std::span<const std::byte>> parts);

  std::byte* pages_ = nullptr;
  std::vector<std::size_t> offsets_;
  std::size_t size_ = 0;
  Guard guard_;
};

}  // namespace palinode
