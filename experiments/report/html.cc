#include "experiments/report/html.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "tensor/error.h"

namespace palinode::experiments::report {
namespace {

constexpr std::string_view kMinus = "\u2212";

// fmt's digits do not depend on a locale, so the page's bytes do not either.
std::string typographic(const std::string& digits) {
  std::string out;
  for (const char c : digits) {
    if (c == '-') {
      out += kMinus;
    } else if (c != '+') {
      out += c;
    }
  }
  return out;
}

std::string range(const Json& metric, std::string (*print)(std::optional<double>)) {
  const auto lo = figure(metric, "lo");
  const auto hi = figure(metric, "hi");
  if (!lo || !hi) return "";
  return fmt::format("[{}, {}]", print(lo), print(hi));
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string script_json(const Json& value) {
  std::string out;
  for (const char c : value.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

const Json& member(const Json& object, std::string_view key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(std::string(key));
  return found == object.end() ? none : *found;
}

const Json& list(const Json& object, std::string_view key) {
  static const Json empty = Json::array();
  const Json& found = member(object, key);
  return found.is_array() ? found : empty;
}

std::string text(const Json& object, std::string_view key) {
  const Json& found = member(object, key);
  if (found.is_null()) return "";
  if (found.is_string()) return found.get<std::string>();
  if (found.is_boolean()) return found.get<bool>() ? "yes" : "no";
  if (found.is_array()) {
    std::string out;
    for (const Json& item : found) {
      out += (out.empty() ? "" : ", ") + text({{"item", item}}, "item");
    }
    return out;
  }
  return found.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::optional<double> figure(const Json& object, std::string_view key) {
  const Json& found = member(object, key);
  if (!found.is_number()) return std::nullopt;
  const double value = found.get<double>();
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

std::string number(std::optional<double> value) {
  if (!value) return "n/a";
  const double size = std::abs(*value);
  if (size == 0) return "0";
  if (size >= 1e-3 && size < 9999.5) return typographic(fmt::format("{:.4g}", *value));
  if (size >= 9999.5 && size < 1e7) return typographic(fmt::format("{:.0f}", *value));
  std::string digits = fmt::format("{:.2e}", *value);
  const std::size_t exponent = digits.find('e') + 2;  // past the sign
  if (digits[exponent] == '0') digits.erase(exponent, 1);
  return typographic(digits);
}

std::string factor(std::optional<double> value) {
  if (!value || *value == 1) return number(value);
  const double distance = 1 - *value;
  if (std::abs(distance) >= 5e-4) return number(value);
  return fmt::format("1 {} {}", distance > 0 ? kMinus : "+", number(std::abs(distance)));
}

std::string interval(const Json& metric) { return range(metric, number); }

std::string factor_interval(const Json& metric) { return range(metric, factor); }

std::string percent(std::optional<double> value) {
  if (!value) return "n/a";
  if (*value == 0 || *value == 1) return *value == 0 ? "0 %" : "100 %";
  if (*value > 0.9995 && *value < 1) return "> 99.9 %";
  if (*value > 0 && *value < 0.0005) return "< 0.1 %";
  return typographic(fmt::format("{:.1f} %", *value * 100));
}

Table::Table(std::string caption, std::vector<Column> columns)
    : caption_(std::move(caption)), columns_(std::move(columns)) {}

void Table::row(const std::vector<std::string>& cells) {
  PALINODE_ASSERT(cells.size() == columns_.size());
  body_ += "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view open = i == 0                ? "<th scope=\"row\">"
                                  : columns_[i].numeric ? "<td class=\"num\">"
                                                        : "<td>";
    body_ += fmt::format("{}{}{}", open, cells[i], i == 0 ? "</th>" : "</td>");
  }
  body_ += "</tr>\n";
}

std::string Table::html() const {
  std::string head;
  for (const Column& column : columns_) {
    head += fmt::format("<th scope=\"col\"{}>{}</th>", column.numeric ? " class=\"num\"" : "",
                        column.title);
  }
  return fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table><caption>{0}"
      "</caption>\n<thead><tr>{1}</tr></thead>\n<tbody>\n{2}</tbody></table></div>\n",
      escape(caption_), head, body_);
}

std::string with_interval(const std::string& value, const std::string& interval) {
  if (interval.empty()) return value;
  return fmt::format("{}<br><small>{}</small>", value, interval);
}

std::string command(std::string_view line) {
  if (line.empty()) return "";
  std::string out = "<code class=\"line\"><span>";
  for (const char c : escape(line)) {
    if (c == ' ') {
      out += "</span> <span>";
    } else {
      out += c;
    }
  }
  return out + "</span></code>";
}

std::string chip(std::string_view word, std::string_view tone) {
  return fmt::format("<span class=\"chip {}\">{}</span>", tone, escape(word));
}

}  // namespace palinode::experiments::report
