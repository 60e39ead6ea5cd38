#include "experiments/studies/knobs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "experiments/usage_error.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

constexpr std::string_view kKinds[] = {"a number", "a list of numbers", "a list of strings"};

// The value as one of the three kinds; none for anything else.
std::optional<KnobValue> value_of(const toml::node& node) {
  // None for an integer that no f64 is.
  const auto number_of = [](const toml::node& element) {
    return element.is_number() ? element.value<double>() : std::nullopt;
  };
  if (const auto x = number_of(node)) return *x;
  const toml::array* list = node.as_array();
  if (list == nullptr) return std::nullopt;
  Numbers numbers;
  Words words;
  for (const toml::node& element : *list) {
    if (const auto x = number_of(element)) numbers.push_back(*x);
    if (element.is_string()) words.push_back(*element.value<std::string>());
  }
  if (numbers.size() == list->size()) return numbers;
  if (words.size() == list->size()) return words;
  return std::nullopt;
}

bool sound(const KnobValue& value) {
  const auto finite = [](double x) { return std::isfinite(x) && x >= 0; };
  if (std::holds_alternative<double>(value)) return finite(std::get<double>(value));
  if (std::holds_alternative<Words>(value)) return !std::get<Words>(value).empty();
  const Numbers& list = std::get<Numbers>(value);
  return !list.empty() && std::ranges::all_of(list, finite);
}

// Named twice, a model or an arm would run twice and count as two.
template <class T>
bool has_twice(std::vector<T> list) {
  std::ranges::sort(list);
  return std::ranges::adjacent_find(list) != list.end();
}

bool repeats(const KnobValue& value) {
  if (const Numbers* numbers = std::get_if<Numbers>(&value)) return has_twice(*numbers);
  const Words* words = std::get_if<Words>(&value);
  return words != nullptr && has_twice(*words);
}

}  // namespace

std::string_view size_name(Size size) { return size == Size::kQuick ? "quick" : "full"; }

std::vector<Knob> with_subjects(const Words& quick, const Words& full, std::vector<Knob> own) {
  std::vector<Knob> all = {
      {"models", "what it runs on: see `palinode study list --models`", quick, full},
      {"seeds", "seeds of each small model", kQuickSeeds, kFullSeeds},
      {"seeds_medium", "seeds of each medium model", kQuickMediumSeeds, kFullMediumSeeds},
      {"seeds_large", "seeds of each large model", kQuickLargeSeeds, kFullLargeSeeds}};
  for (Knob& knob : own) {
    const auto same = [&knob](const Knob& other) { return other.name == knob.name; };
    const auto found = std::ranges::find_if(all, same);
    if (found != all.end()) {
      *found = std::move(knob);
    } else {
      all.push_back(std::move(knob));
    }
  }
  return all;
}

Settings::Settings(std::span<const Knob> knobs, Size size) {
  for (const Knob& knob : knobs) {
    values_.push_back({std::string(knob.name), size == Size::kQuick ? knob.quick : knob.full});
  }
}

const Settings::Value& Settings::find(std::string_view name) const {
  const auto found = std::ranges::find(values_, name, &Value::name);
  if (found == values_.end()) throw NameError(fmt::format("no setting \"{}\"", name));
  return *found;
}

namespace {

template <class T>
const T& get_as(const KnobValue& value, std::string_view name) {
  if (const T* x = std::get_if<T>(&value)) return *x;
  throw NameError(fmt::format("setting \"{}\" is {}", name, kKinds[value.index()]));
}

}  // namespace

double Settings::number(std::string_view name) const {
  return get_as<double>(find(name).value, name);
}

std::uint64_t Settings::count(std::string_view name) const {
  const double x = number(name);
  if (x != std::floor(x) || x < 0 || x > 0x1p53) {
    throw UsageError(fmt::format("{} = {}: a whole number is needed", name, x));
  }
  return static_cast<std::uint64_t>(x);
}

const Numbers& Settings::numbers(std::string_view name) const {
  return get_as<Numbers>(find(name).value, name);
}

const Words& Settings::words(std::string_view name) const {
  return get_as<Words>(find(name).value, name);
}

bool Settings::has(std::string_view name) const {
  return std::ranges::find(values_, name, &Value::name) != values_.end();
}

void Settings::set(std::string_view name, const KnobValue& value) {
  const auto found = std::ranges::find(values_, name, &Value::name);
  if (found == values_.end()) {
    std::string known;
    for (const Value& each : values_) known += (known.empty() ? "" : ", ") + each.name;
    throw UsageError(fmt::format("no setting \"{}\"; there are {}", name, known));
  }
  // A list of one number is meant where a list is wanted, and [] is of no kind.
  KnobValue wanted = value;
  if (std::holds_alternative<Numbers>(found->value) && std::holds_alternative<double>(value)) {
    wanted = Numbers{std::get<double>(value)};
  }
  if (wanted.index() != found->value.index() || !sound(wanted)) {
    const std::string came = std::visit([](const auto& x) { return fmt::format("{}", x); }, value);
    throw UsageError(
        fmt::format("setting \"{}\" takes {}, not empty, of finite values >= 0, and got {}", name,
                    kKinds[found->value.index()], came));
  }
  if (repeats(wanted)) {
    throw UsageError(fmt::format("setting \"{}\" has a value twice", name));
  }
  found->value = std::move(wanted);
}

void Settings::set(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw UsageError(fmt::format("\"{}\": key=value is needed", assignment));
  }
  const std::string_view name = assignment.substr(0, equals);
  try {
    const toml::table table = toml::parse(fmt::format("x = {}", assignment.substr(equals + 1)));
    const toml::node* node = table.size() == 1 ? table.get("x") : nullptr;
    const auto value = node == nullptr ? std::nullopt : value_of(*node);
    if (!value) {
      throw UsageError(
          fmt::format("\"{}\": a number, [numbers] or [\"words\"] are needed", assignment));
    }
    set(name, *value);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("\"{}\": {}", assignment, error.description()));
  }
}

nlohmann::ordered_json Settings::json() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Value& each : values_) {
    std::visit([&](const auto& value) { json[each.name] = value; }, each.value);
  }
  return json;
}

}  // namespace palinode::experiments
