// How a setting is written: what it takes, in words, and its value as TOML.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <type_traits>

#include "experiments/train/config_fields.h"

namespace palinode::experiments::train {
namespace {

std::string number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

template <class T>
std::string list(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ", ") + number(value);
  return "[" + text + "]";
}

}  // namespace

std::string expected(const Field& field) {
  const std::string range = fmt::format("from {} to {}", field.low, field.high);
  const std::string count = field.count == 0 ? "1 to 64" : std::to_string(field.count);
  return std::visit(
      [&]<class T>(const Ref<T>&) -> std::string {
        if constexpr (std::is_same_v<T, bool>) return "true or false";
        if constexpr (std::is_same_v<T, std::uint64_t>) {
          return fmt::format("an integer from {} to {}", static_cast<std::uint64_t>(field.low),
                             static_cast<std::uint64_t>(field.high));
        }
        if constexpr (std::is_same_v<T, double>) return "a number " + range;
        if constexpr (std::is_same_v<T, std::vector<std::uint64_t>>) {
          return fmt::format("a list of {} integers {}", count, range);
        }
        if constexpr (std::is_same_v<T, std::vector<double>>) {
          return fmt::format("a list of {} numbers {}", count, range);
        }
        if (field.choices.empty()) return "a string";
        return fmt::format("one of {}", fmt::join(field.choices, ", "));
      },
      field.value);
}

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string toml_value(const Field& field) {
  return std::visit(
      []<class T>(const Ref<T>& value) -> std::string {
        if constexpr (std::is_same_v<T, bool>) {
          return value.get() ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::string>) {
          return toml_string(value.get());
        } else if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::uint64_t>) {
          return number(value.get());
        } else {
          return list(value.get());
        }
      },
      field.value);
}

}  // namespace palinode::experiments::train
