#include "experiments/train/run_folder.h"

#include <fmt/format.h>

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

}  // namespace palinode::experiments::train
