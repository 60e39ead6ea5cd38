#include "experiments/train/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tensor/error.h"
#include "tensor/file.h"

namespace palinode::experiments::train {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestConfig = std::size_t{1} << 20;

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {}

bool RunFolder::holds_run() const { return exists(config()); }
bool RunFolder::holds_checkpoint() const { return exists(checkpoint()); }

void RunFolder::start(const Config& settings) const {
  std::error_code error;
  fs::create_directories(path_, error);
  for (const std::string& file :
       {config(), checkpoint(), model(), result(), metrics(), ledger(), journal()}) {
    if (!error) fs::remove(file, error);
  }
  if (error) throw EnvironmentError(fmt::format("{}: {}", path_, error.message()));
  write_file_atomically(config(), to_toml(settings));
}

Config RunFolder::read_config() const {
  if (!holds_run()) throw FormatError(fmt::format("{}: holds no run (no config.toml)", path_));
  try {
    return parse_config(read_file(config(), kLargestConfig), config());
  } catch (const ConfigError& error) {
    throw FormatError(error.what());
  }
}

RunLock::RunLock(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw EnvironmentError(fmt::format("{}: {}", folder, error.message()));
  descriptor_ = ::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const bool held = descriptor_ >= 0 && errno == EWOULDBLOCK;
  if (descriptor_ >= 0) ::close(descriptor_);
  throw EnvironmentError(fmt::format(
      "{}: {}", folder,
      held ? "another training is writing into it" : "cannot be locked for this training"));
}

RunLock::~RunLock() { ::close(descriptor_); }

}  // namespace palinode::experiments::train
