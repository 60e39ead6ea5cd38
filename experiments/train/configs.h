// The configurations that come with the program (experiments/configs/), inside of it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace palinode::experiments::train {

struct NamedConfig {
  std::string_view name;  // "digits_mlp"
  std::string_view text;  // TOML; its first line is a comment: "# name: what it is"
};

std::span<const NamedConfig> configs();

// A configuration by name, or the file at this path: anything with a slash or that ends in ".toml".
struct ConfigSource {
  std::string name;  // for messages: "digits_mlp.toml", or the path
  std::string stem;  // for the run's folder: "digits_mlp"
  std::string text;
};

// Throws UsageError for a name that there is not, FormatError for a file that cannot be read.
ConfigSource find_config(const std::string& name);

}  // namespace palinode::experiments::train
