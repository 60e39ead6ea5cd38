#include "experiments/train/configs.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "experiments/embedded.h"
#include "experiments/usage_error.h"
#include "tensor/file.h"

namespace palinode::experiments::train {
namespace {

constexpr std::size_t kLargest = std::size_t{1} << 20;

std::vector<NamedConfig> split(std::string_view all) {
  std::vector<NamedConfig> found;
  while (!all.empty()) {
    const std::string_view text = all.substr(0, all.find('\0'));
    all.remove_prefix(text.size() + 1);
    found.push_back({text.substr(2, text.find(':') - 2), text});
  }
  return found;
}

}  // namespace

std::span<const NamedConfig> configs() {
  static const std::vector<NamedConfig> kConfigs = split(embedded::configs_toml());
  return kConfigs;
}

ConfigSource find_config(const std::string& name) {
  if (name.find('/') != std::string::npos || name.ends_with(".toml")) {
    return {name, std::filesystem::path(name).stem().string(), read_file(name, kLargest)};
  }
  std::string known;
  for (const NamedConfig& config : configs()) {
    if (config.name == name) return {name + ".toml", name, std::string(config.text)};
    known += fmt::format("{}{}", known.empty() ? "" : ", ", config.name);
  }
  throw UsageError(
      fmt::format("no configuration is called \"{}\"; there are {}; a file of one's "
                  "own ends in .toml",
                  name, known));
}

}  // namespace palinode::experiments::train
