// The results as tables, for the terminal, the page and docs/precision.md alike.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace palinode::experiments::precision {

struct ResultTable {
  struct Column {
    std::string title;
    bool numeric = false;
  };
  std::string section;  // "functions", "identity", "reductions", "rows", "half", "f64", "checks"
  std::string title, note;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

// Those that have rows, in the order of reading.
std::vector<ResultTable> tables(const nlohmann::ordered_json& results);

std::string as_text(const ResultTable& table);
std::string as_markdown(const ResultTable& table);

// kernel,family,contender,measure,value: every figure on a line of its own.
std::string as_csv(const nlohmann::ordered_json& results);

}  // namespace palinode::experiments::precision
