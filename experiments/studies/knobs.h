// Knobs: a study's settings, each with a value for the quick run and one for the full run, and what
// a person puts in their place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace palinode::experiments {

enum class Size : std::uint8_t { kQuick, kFull };
std::string_view size_name(Size size);  // "quick", "full"

using Numbers = std::vector<double>;
using Words = std::vector<std::string>;
using KnobValue = std::variant<double, Numbers, Words>;

struct Knob {
  std::string_view name;
  std::string_view meaning;
  KnobValue quick, full;
};

// Every study has these four, first: the models it runs on, and how many seeds on each, by their
// scale (subjects.h).
std::vector<Knob> with_subjects(const Words& quick, const Words& full, std::vector<Knob> own = {});
inline constexpr double kQuickSeeds = 10, kFullSeeds = 20;
inline constexpr double kQuickMediumSeeds = 2, kFullMediumSeeds = 10;
inline constexpr double kQuickLargeSeeds = 2, kFullLargeSeeds = 5;

class Settings {
 public:
  Settings() = default;
  Settings(std::span<const Knob> knobs, Size size);

  // Throw NameError for a name that is not there or has a value of another kind.
  double number(std::string_view name) const;
  std::uint64_t count(std::string_view name) const;  // number(name), which is a whole one
  const Numbers& numbers(std::string_view name) const;
  const Words& words(std::string_view name) const;

  bool has(std::string_view name) const;
  // In place of a value of the same kind. Throws UsageError naming the knob, what it takes and what
  // came: "alphas=[0.1, 0.2]", "models=[\"digits-mlp\"]", "rank=4".
  void set(std::string_view assignment);
  void set(std::string_view name, const KnobValue& value);

  nlohmann::ordered_json json() const;
  bool operator==(const Settings&) const = default;

 private:
  struct Value {
    std::string name;
    KnobValue value;
    bool operator==(const Value&) const = default;
  };
  const Value& find(std::string_view name) const;
  std::vector<Value> values_;
};

// Assignments of a TOML file with a table for each study: [E3] alphas = [0.1]. Each as set() takes
// them, with the id of its study, and right. Throws FormatError naming the file and line if not.
struct Override {
  std::string study, assignment;
};
std::vector<Override> read_overrides(const std::string& path);

}  // namespace palinode::experiments
