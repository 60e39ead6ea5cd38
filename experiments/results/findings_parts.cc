#include "experiments/results/findings_parts.h"

#include <fmt/format.h>

namespace palinode::experiments::findings {

using nlohmann::ordered_json;

namespace {

// A bar in a cell would end it.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\\|");
  }
  return text;
}

}  // namespace

std::string number(const ordered_json& json) {
  if (json.is_null()) return "";
  if (json.is_string()) return json.get<std::string>();
  const double x = json.get<double>();
  if (x == 0 || x == 1) return fmt::format("{:g}", x);
  if (x < 1 && x > 0.9995) return fmt::format("1 - {:.1e}", 1 - x);
  return fmt::format("{:.4g}", x);
}

std::string with_interval(const ordered_json& summary) {
  if (!summary.is_object()) return "";
  const std::string lo = number(summary.at("lo")), hi = number(summary.at("hi"));
  const std::string mean = number(summary.at("mean"));
  return lo == hi ? mean : fmt::format("{} [{}, {}]", mean, lo, hi);
}

Table::Table(const std::vector<std::string>& header) {
  add(header);
  text_ += "|";
  for (std::size_t i = 0; i < header.size(); ++i) text_ += "---|";
  text_ += "\n";
}

void Table::add(const std::vector<std::string>& cells) {
  text_ += "|";
  for (const std::string& each : cells) text_ += " " + cell(each) + " |";
  text_ += "\n";
}

std::vector<ordered_json> of_study(const ordered_json& records, const std::string& study) {
  std::vector<ordered_json> found;
  for (const ordered_json& record : records) {
    if (record.at("study") == study) found.push_back(record);
  }
  return found;
}

std::string score_missed(const ordered_json& group) {
  const ordered_json& missed = group.at("score_missed");
  return missed == 0 ? "" : fmt::format("{} of {}", missed.dump(), group.at("n").dump());
}

}  // namespace palinode::experiments::findings
