#include "experiments/behavior/adapt_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <optional>

#include "tensor/file.h"

namespace palinode::experiments {
namespace {

using train::ConfigError;

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::string_view kTable = "behavior";

// The table [behavior] of a file that train::parse_config has read already.
rbl::BehaviorConfig behavior_of(std::string_view text, const std::string& name) {
  rbl::BehaviorConfig config;
  const toml::table file = toml::parse(text);
  const toml::node* node = file.get(kTable);
  if (node == nullptr) return config;
  const auto fail = [&](std::string_view key, std::string_view what) {
    const toml::source_position at = node->source().begin;
    throw ConfigError(fmt::format("{}:{}:{}: behavior{}{}: expected {}", name, at.line, at.column,
                                  key.empty() ? "" : ".", key, what));
  };
  if (!node->is_table()) fail("", "a table");
  for (const auto& [toml_key, value] : *node->as_table()) {
    const std::string key(toml_key.str());
    if (key == "kind") {
      if (!value.is_string()) fail(key, "a string");
      config.kind = value.as_string()->get();
    } else if (key == "sites") {
      if (!value.is_array()) fail(key, "a list of names");
      for (const toml::node& site : *value.as_array()) {
        if (!site.is_string()) fail(key, "a list of names");
        config.sites.push_back(site.as_string()->get());
      }
    } else {
      const std::optional<double> number = value.value<double>();
      if (!number || !value.is_number()) fail(key, "a number");
      config.settings[key] = *number;
    }
  }
  return config;
}

// "rank=8" or "behavior.rank=8"; none if it is a setting of the training.
std::optional<std::pair<std::string, double>> setting_in(const std::string& set) {
  const std::size_t equals = std::min(set.find('='), set.size());
  std::string key = set.substr(0, equals);
  const std::string prefix = std::string(kTable) + ".";
  if (key.starts_with(prefix)) {
    key.erase(0, prefix.size());
  } else if (key.find('.') != std::string::npos || key == "seed") {
    return std::nullopt;
  }
  double value = 0;
  const char* end = set.data() + set.size();
  const char* begin = set.data() + std::min(equals + 1, set.size());
  const auto read = std::from_chars(begin, end, value);
  if (key.empty() || begin == end || read.ec != std::errc() || read.ptr != end) {
    throw ConfigError(fmt::format("--set {}: expected name=number or section.key=value", set));
  }
  return std::pair(key, value);
}

}  // namespace

AdaptConfig adapt_config(const AdaptRequest& request, const train::Config& identity) {
  const std::string name = request.file.empty() ? "adapt" : request.file;
  const std::string text = request.file.empty() ? "" : read_file(request.file, kMaxFile);
  std::vector<std::string> overrides;
  std::map<std::string, double> settings;
  for (const std::string& set : request.sets) {
    if (const auto setting = setting_in(set)) {
      settings[setting->first] = setting->second;
    } else {
      overrides.push_back(set);
    }
  }
  const bool long_enough = std::ranges::any_of(overrides, [](const std::string& set) {
    return set.starts_with("train.steps=") || set.starts_with("train.epochs=");
  });
  if (request.file.empty() && !long_enough) {
    overrides.insert(overrides.begin(), fmt::format("train.steps={}", kUsualSteps));
  }
  train::Config start = identity;
  start.optimizer = {};
  start.train = {.batch = identity.train.batch, .context = identity.train.context};
  start.ledger = "digest";
  AdaptConfig config{.behavior = {}, .train = {}};
  config.train = train::parse_config(text, name, overrides, start, kTable);
  config.behavior = behavior_of(text, name);
  if (!request.kind.empty()) config.behavior.kind = request.kind;
  if (!request.sites.empty()) config.behavior.sites = request.sites;
  for (const auto& [key, value] : settings) config.behavior.settings[key] = value;
  const train::LoopConfig& loop = config.train.train;
  if (loop.keep != "last" || loop.checkpoint_every > 0) {
    throw ConfigError(
        fmt::format("{}: train.{}: an adaptation keeps its last values and takes no "
                    "checkpoints",
                    name, loop.keep != "last" ? "keep" : "checkpoint_every"));
  }
  return config;
}

}  // namespace palinode::experiments
