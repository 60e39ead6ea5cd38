#include "autograd/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace palinode {
namespace {

enum class Kind { kConstant, kVariable, kParameter, kOperation };

struct Row {
  std::size_t node;
  Kind kind;
  std::string name;
  std::string value;  // "f32 [64, 10]"
  std::size_t bytes;
  bool view;
  std::size_t kept;
  std::vector<std::size_t> from;
  bool differentiable;
};

const void* first_of(const Tensor& x) {
  return with_element(x.dtype(), [&]<class T>() -> const void* { return x.extent<T>().data(); });
}

const void* end_of(const Tensor& x) {
  return with_element(x.dtype(), [&]<class T>() -> const void* {
    const auto values = x.extent<T>();
    return values.data() + values.size();
  });
}

// Whether x lies in the memory of `whole`.
bool is_inside(const Tensor& x, const Tensor& whole) {
  return !x.empty() && first_of(x) >= first_of(whole) && end_of(x) <= end_of(whole);
}

Kind kind_of(const Tape::Node& node) {
  if (node.op != nullptr || node.segment != nullptr) return Kind::kOperation;
  if (node.store != nullptr) return Kind::kParameter;
  return node.differentiable ? Kind::kVariable : Kind::kConstant;
}

std::string name_of(const Tape::Node& node) {
  switch (kind_of(node)) {
    case Kind::kConstant:
      return "constant";
    case Kind::kVariable:
      return "variable";
    case Kind::kParameter:
      return fmt::format("{}/{}", node.store->name(), node.store->entries()[node.entry].name);
    case Kind::kOperation:
      break;
  }
  return node.op == nullptr ? "checkpoint" : std::string(node.op->name);
}

Row row_of(const Tape& tape, std::size_t place) {
  const Tape::Node& node = tape.node(place);
  Row row = {
      place, kind_of(node),      name_of(node), node.value.describe(), node.value.bytes(), false, 0,
      {},    node.differentiable};
  for (const std::size_t operand : node.operands) {
    row.from.push_back(operand);
    row.view |= is_inside(node.value, tape.value(operand));
  }
  for (const std::size_t parameter : node.parameters) row.from.push_back(parameter);
  for (const Tensor& kept : node.kept) row.kept += kept.bytes();
  if (row.view) row.bytes = 0;
  return row;
}

// What y depends on, in the order of the tape.
std::vector<Row> rows_of(Var y) {
  const Tape& tape = y.tape();
  std::vector<bool> wanted(y.node() + 1);
  wanted[y.node()] = true;
  std::vector<Row> rows;
  for (std::size_t place = y.node() + 1; place-- > 0;) {
    if (!wanted[place]) continue;
    rows.push_back(row_of(tape, place));
    for (const std::size_t from : rows.back().from) wanted[from] = true;
  }
  std::ranges::reverse(rows);
  return rows;
}

std::string size_of(std::size_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  const auto number = static_cast<double>(bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", number / 1024);
  return fmt::format("{:.1f} MiB", number / (1024 * 1024));
}

std::string memory_of(const Row& row) {
  std::string text = row.view ? "a view" : size_of(row.bytes);
  if (row.kept > 0) text += fmt::format(", keeps {}", size_of(row.kept));
  return text;
}

std::string totals_of(const std::vector<Row>& rows) {
  std::size_t operations = 0, parameters = 0, weights = 0, values = 0, kept = 0;
  for (const Row& row : rows) {
    operations += row.kind == Kind::kOperation ? 1 : 0;
    parameters += row.kind == Kind::kParameter ? 1 : 0;
    (row.kind == Kind::kParameter ? weights : values) += row.bytes;
    kept += row.kept;
  }
  return fmt::format("{} operations on {} parameters of {}; values {}, kept for the backward {}",
                     operations, parameters, size_of(weights), size_of(values), size_of(kept));
}

std::string text_of(const std::vector<Row>& rows) {
  std::size_t name = 4, value = 5;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    value = std::max(value, row.value.size());
  }
  std::string text = fmt::format("{:>5}  {:<{}}  {:<{}}  {:>9}  {:>9}  grad  from\n", "node",
                                 "name", name, "value", value, "memory", "kept");
  for (const Row& row : rows) {
    std::string from;
    for (const std::size_t operand : row.from) from += fmt::format(" #{}", operand);
    std::string line =
        fmt::format("{:>5}  {:<{}}  {:<{}}  {:>9}  {:>9}  {:<4} {}", fmt::format("#{}", row.node),
                    row.name, name, row.value, value, row.view ? "view" : size_of(row.bytes),
                    row.kept > 0 ? size_of(row.kept) : "", row.differentiable ? "yes" : "", from);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text + totals_of(rows) + "\n";
}

// The text with other characters in the place of each double quote and backslash.
std::string quoted(std::string_view text, std::string_view quote, std::string_view backslash) {
  std::string out;
  for (const char c : text) {
    if (c == '"') {
      out += quote;
    } else if (c == '\\') {
      out += backslash;
    } else {
      out += c;
    }
  }
  return out;
}

std::string dot_of(const std::vector<Row>& rows) {
  std::string text =
      "digraph tape {\n  node [fontname=\"Helvetica\", fontsize=11, style=filled, "
      "fillcolor=white];\n  edge [color=gray40];\n";
  for (const Row& row : rows) {
    const std::string_view look = row.kind == Kind::kOperation  ? "shape=box, style=\"rounded\""
                                  : row.kind == Kind::kConstant ? "shape=box, fillcolor=gray92"
                                  : row.differentiable          ? "shape=box, fillcolor=lightblue"
                                                       : "shape=box, fillcolor=lightyellow";
    text += fmt::format("  n{} [label=\"{}\\n{}\\n{}\", {}];\n", row.node,
                        quoted(row.name, "\\\"", "\\\\"), row.value, memory_of(row), look);
    for (const std::size_t from : row.from) {
      text += fmt::format("  n{} -> n{}{};\n", from, row.node,
                          row.differentiable ? "" : " [style=dashed]");
    }
  }
  return text + fmt::format("  label=\"{}\";\n}}\n", totals_of(rows));
}

std::string mermaid_of(const std::vector<Row>& rows) {
  std::string text = "flowchart TD\n";
  for (const Row& row : rows) {
    const bool round = row.kind == Kind::kOperation;
    text +=
        fmt::format("  n{}{}\"{}<br/>{}<br/>{}\"{}\n", row.node, round ? "(" : "[",
                    quoted(row.name, "#quot;", "\\"), row.value, memory_of(row), round ? ")" : "]");
    for (const std::size_t from : row.from) {
      text += fmt::format("  n{} {} n{}\n", from, row.differentiable ? "-->" : "-.->", row.node);
    }
  }
  return text + fmt::format("  %% {}\n", totals_of(rows));
}

}  // namespace

std::string explain(Var y, Format format) {
  const std::vector<Row> rows = rows_of(y);
  switch (format) {
    case Format::kText:
      return text_of(rows);
    case Format::kDot:
      return dot_of(rows);
    case Format::kMermaid:
      break;
  }
  return mermaid_of(rows);
}

}  // namespace palinode
