// Text, numbers and tables as HTML.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace palinode::experiments::report {

using Json = nlohmann::json;

// Text made safe between tags and inside quoted attributes.
std::string escape(std::string_view text);

// JSON made safe inside a <script> element: ASCII only, and no '<' at all.
std::string script_json(const Json& value);

// object[key] as plain text: strings as they are, numbers and booleans printed, lists with commas,
// "" when missing or null.
std::string text(const Json& object, std::string_view key);

// object[key] if it is a finite number.
std::optional<double> figure(const Json& object, std::string_view key);

// object[key], or a null value that outlives the call.
const Json& member(const Json& object, std::string_view key);

// object[key] if it is an array, else an empty array.
const Json& list(const Json& object, std::string_view key);

// At most four significant digits, with a typographic minus; "n/a" when there is no number.
std::string number(std::optional<double> value);

// A recoverability factor: close to one it prints the distance from one, so that only an exact 1
// reads "1".
std::string factor(std::optional<double> value);

// "[lo, hi]" of a group's metric, "" when there is none; the second form prints ends as factors.
std::string interval(const Json& metric);
std::string factor_interval(const Json& metric);

// A fraction as a percentage that says 0 % and 100 % only when it is exactly so.
std::string percent(std::optional<double> value);

// A table inside a box that scrolls by itself; cells are HTML.
class Table {
 public:
  struct Column {
    std::string title;
    bool numeric = false;
  };
  Table(std::string caption, std::vector<Column> columns);
  void row(const std::vector<std::string>& cells);
  std::string html() const;

 private:
  std::string caption_;
  std::vector<Column> columns_;
  std::string body_;
};

// A value with its interval under it, as one cell.
std::string with_interval(const std::string& value, const std::string& interval);

// A command line that breaks between its words only, never at the hyphens of an option.
std::string command(std::string_view line);

// A short word in a colored frame; tone is good, bad, open or plain.
std::string chip(std::string_view word, std::string_view tone);

}  // namespace palinode::experiments::report
