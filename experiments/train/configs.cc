#include "experiments/train/configs.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "experiments/embedded.h"
#include "experiments/usage_error.h"
#include "tensor/file.h"

namespace palinode::experiments::train {
namespace {

constexpr std::size_t kLargest = std::size_t{1} << 20;

}  // namespace

std::span<const NamedConfig> configs() {
  static const std::array<NamedConfig, 1> kConfigs = {{
      {"digits_mlp", embedded::digits_mlp_toml()},
  }};
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
