#include <fmt/format.h>
#include <toml++/toml.h>

#include <sstream>

#include "experiments/studies/study.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

// That the study is there and takes it. Here, where its place is known; of what kind a setting is
// does not depend on the size of the run.
void check(const Override& change, const std::string& path, std::size_t line) {
  try {
    Settings(find_study(change.study).knobs, Size::kQuick).set(change.assignment);
  } catch (const Error& error) {
    throw FormatError(fmt::format("{}:{}: {}", path, line, error.what()));
  }
}

}  // namespace

std::vector<Override> read_overrides(const std::string& path) {
  std::vector<Override> overrides;
  try {
    const toml::table file = toml::parse_file(path);
    for (const auto& [study, node] : file) {
      const toml::table* table = node.as_table();
      if (table == nullptr) {
        throw FormatError(fmt::format("{}:{}: \"{}\" is no table of a study, such as [E3]", path,
                                      node.source().begin.line, study.str()));
      }
      for (const auto& [name, value] : *table) {
        std::ostringstream text;
        value.visit([&text](const auto& typed) { text << typed; });
        const Override& last = overrides.emplace_back(
            Override{std::string(study.str()), fmt::format("{}={}", name.str(), text.str())});
        check(last, path, value.source().begin.line);
      }
    }
  } catch (const toml::parse_error& error) {
    throw FormatError(
        fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
  }
  return overrides;
}

}  // namespace palinode::experiments
