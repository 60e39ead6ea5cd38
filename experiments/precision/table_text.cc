#include <fmt/format.h>

#include <algorithm>

#include "experiments/precision/tables.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\n") == std::string::npos) return field;
  std::string out = "\"";
  for (const char c : field) {
    out += c;
    if (c == '"') out += c;
  }
  return out + "\"";
}

// The figures of one contender, nested ones under joined names.
void add_lines(const std::string& head, const std::string& prefix, const Json& object,
               std::string& out) {
  for (const auto& [key, value] : object.items()) {
    if (key == "name" || value.is_array()) continue;
    if (value.is_object()) {
      add_lines(head, prefix + key + ".", value, out);
    } else {
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      out += fmt::format("{},{},{}\n", head, prefix + key, quoted(text));
    }
  }
}

void add_contenders(const std::string& kernel, const std::string& family, const Json& holder,
                    std::string& out) {
  if (!holder.contains("contenders")) return;
  for (const Json& each : holder.at("contenders")) {
    const auto name = each.at("name").get<std::string>();
    add_lines(fmt::format("{},{},{}", quoted(kernel), quoted(family), quoted(name)), "", each, out);
  }
}

}  // namespace

std::string as_text(const ResultTable& table) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::size_t width = table.columns[c].title.size();
    for (const auto& row : table.rows) width = std::max(width, row[c].size());
    widths.push_back(width);
  }
  std::string out = table.title + "\n";
  const auto line = [&](const auto& cell) {
    std::string text;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const bool right = table.columns[c].numeric;
      text += right ? fmt::format("{:>{}}  ", cell(c), widths[c])
                    : fmt::format("{:<{}}  ", cell(c), widths[c]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([&](std::size_t c) { return table.columns[c].title; });
  for (const auto& row : table.rows) line([&](std::size_t c) { return row[c]; });
  return out + "\n";
}

std::string as_markdown(const ResultTable& table) {
  std::string out = fmt::format("### {}\n\n|", table.title);
  for (const auto& column : table.columns) out += fmt::format(" {} |", column.title);
  out += "\n|";
  for (const auto& column : table.columns) out += column.numeric ? "--:|" : "---|";
  out += "\n";
  for (const auto& row : table.rows) {
    out += "|";
    for (const std::string& cell : row) out += fmt::format(" {} |", cell);
    out += "\n";
  }
  return out + "\n";
}

std::string as_csv(const Json& results) {
  std::string out = "kernel,family,contender,measure,value\n";
  for (const char* section : {"unary", "f64", "reductions", "products", "rows", "steps"}) {
    for (const Json& row : results.at(section)) {
      std::string kernel = row.at("kernel").get<std::string>();
      if (std::string_view(section) == "f64") kernel += " f64";
      if (row.contains("size")) kernel += fmt::format(" {}", row.at("size").get<int>());
      add_contenders(kernel, "", row, out);
      if (!row.contains("families")) continue;
      for (const Json& family : row.at("families")) {
        add_contenders(kernel, family.at("name").get<std::string>(), family, out);
      }
    }
  }
  for (const Json& row : results.at("half")) {
    for (const Json& format : row.at("formats")) {
      add_contenders(row.at("kernel").get<std::string>(), format.at("format").get<std::string>(),
                     format, out);
    }
  }
  for (const Json& row : results.at("pairs")) {
    add_lines(fmt::format("{},bf16 pairs,Palinode", row.at("operation").get<std::string>()), "",
              row, out);
  }
  return out;
}

}  // namespace palinode::experiments::precision
