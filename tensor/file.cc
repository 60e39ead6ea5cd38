#include "tensor/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tensor/descriptor.h"
#include "tensor/error.h"

namespace palinode {
namespace {

[[noreturn]] void cannot_write(const std::string& path, const char* reason) {
  throw EnvironmentError(fmt::format("cannot write {}: {}", path, reason));
}

[[noreturn]] void cannot_write(const std::string& path) {
  cannot_write(path, std::strerror(errno));
}

[[noreturn]] void cannot_read(const std::string& path) {
  throw FormatError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
}

// "" for a file in the working directory, else up to and with the last slash.
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// Removes a file that was not renamed.
class Partial {
 public:
  Partial(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}
  ~Partial() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
  }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;
  const char* name() const { return name_.c_str(); }
  void renamed() { name_.clear(); }

 private:
  int folder_;
  std::string name_;
};

}  // namespace

std::string read_file(const std::string& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) cannot_read(path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) cannot_read(path);
  // The size is only where to begin: a pipe has none, and a file may grow while it is read.
  const auto known = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  std::string bytes;
  std::size_t size = 0;
  for (;;) {
    if (size > limit || known > limit) {
      throw FormatError(fmt::format("{}: longer than {} bytes", path, limit));
    }
    if (size == bytes.size()) bytes.resize(std::max({size * 2, known + 1, std::size_t{4096}}));
    const ssize_t count = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) cannot_read(path);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  bytes.resize(size);
  return bytes;
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  const std::string folder_name = folder_of(path);
  const std::string name = path.substr(folder_name.size());
  const Descriptor folder(
      ::open(folder_name.empty() ? "." : folder_name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.open()) cannot_write(path);
  // Two writers of one name would share its partial file. A file system without locks has to do
  // without, so a failure is no error.
  while (::flock(folder.get(), LOCK_EX) != 0 && errno == EINTR) continue;
  struct stat status {};
  if (::fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
    cannot_write(path, "not a file");
  }
  const std::string partial_name = name + ".partial";
  const Descriptor file(::openat(folder.get(), partial_name.c_str(),
                                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.open()) cannot_write(path);
  Partial partial(folder.get(), partial_name);
  if (!file.write_all(bytes)) cannot_write(path);
  if (::fsync(file.get()) != 0) cannot_write(path);
  if (::renameat(folder.get(), partial.name(), folder.get(), name.c_str()) != 0) cannot_write(path);
  partial.renamed();
  if (::fsync(folder.get()) != 0) cannot_write(path);
}

}  // namespace palinode
