#include "experiments/precision/tables.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  return value.dump();
}

std::string at(const Json& object, const char* key) {
  return object.contains(key) ? text_of(object.at(key)) : "";
}

// Four digits behind the point, unless it is far from 1.
std::string ulp(const Json& value) {
  if (!value.is_number()) return text_of(value);
  const auto x = value.get<double>();
  return x < 1000 ? fmt::format("{:.4f}", x) : fmt::format("{:.3g}", x);
}

std::string share(const Json& row) {
  const double x = row.at("misrounded_share").get<double>();
  return x == 0 ? "0" : fmt::format("{:.3g} %", 100 * x);
}

std::string range(const Json& row) {
  if (!row.contains("documented_low")) return "all";
  return fmt::format("[{:.6g}, {:.6g}]", row.at("documented_low").get<double>(),
                     row.at("documented_high").get<double>());
}

ResultTable functions(const Json& results) {
  ResultTable table{"functions",
                    "Functions of one f32",
                    {},
                    {{"function"},
                     {"by"},
                     {"inputs"},
                     {"max ULP", true},
                     {"misrounded", true},
                     {"share", true},
                     {"to 1", true},
                     {"to 2", true},
                     {"to 4", true},
                     {"above", true},
                     {"special", true},
                     {"order", true},
                     {"symmetry", true},
                     {"worst input"},
                     {"ns", true}},
                    {}};
  for (const Json& row : results.at("unary")) {
    const bool all = row.at("exhaustive").get<bool>();
    for (const Json& c : row.at("contenders")) {
      const Json& histogram = c.at("histogram");
      const std::string inputs =
          all ? range(c) : fmt::format("{} (1 in {})", range(c), 1 << row.at("every").get<int>());
      table.rows.push_back(
          {at(row, "kernel"), at(c, "name"), inputs, ulp(c.at("max_ulp")), at(c, "misrounded"),
           share(c), at(histogram, "to_1"), at(histogram, "to_2"), at(histogram, "to_4"),
           at(histogram, "above_4"), at(c, "special"), at(c, "order_violations"),
           at(c, "symmetry_violations"),
           fmt::format("0x{} ({})", at(c, "worst_input"),
                       c.at("worst_input_value").is_number()
                           ? fmt::format("{:.9g}", c.at("worst_input_value").get<double>())
                           : at(c, "worst_input_value")),
           fmt::format("{:.3g}", c.at("ns").get<double>())});
    }
  }
  return table;
}

// What rivals do where their documentation is silent.
ResultTable outside(const Json& results) {
  ResultTable table{"functions",
                    "All 2^32 inputs, those included that the documentation is silent on",
                    {},
                    {{"function"},
                     {"by"},
                     {"max ULP", true},
                     {"misrounded", true},
                     {"special", true},
                     {"worst input"}},
                    {}};
  for (const Json& row : results.at("unary")) {
    for (const Json& c : row.at("contenders")) {
      if (!c.contains("all_inputs")) continue;
      const Json& all = c.at("all_inputs");
      table.rows.push_back({at(row, "kernel"), at(c, "name"), ulp(all.at("max_ulp")),
                            at(all, "misrounded"), at(all, "special"),
                            "0x" + at(all, "worst_input")});
    }
  }
  return table;
}

ResultTable references(const Json& results) {
  ResultTable table{"functions",
                    "The reference, checked",
                    {},
                    {{"function"},
                     {"inputs", true},
                     {"decided by MPFR", true},
                     {"margin, ULP of f64", true},
                     {"fast path off there by at most", true},
                     {"random inputs checked", true},
                     {"off by at most", true},
                     {"disagreements", true}},
                    {}};
  for (const Json& row : results.at("unary")) {
    const Json& r = row.at("reference");
    table.rows.push_back({at(row, "kernel"), at(row, "inputs"), at(r, "decided_by_mpfr"),
                          at(r, "margin_ulp_f64"), at(r, "max_distance_ulp_f64"), at(r, "checked"),
                          at(r, "checked_max_ulp_f64"), at(r, "checked_disagreements")});
  }
  return table;
}

ResultTable identities(const Json& results) {
  ResultTable table{
      "identity",
      "The same bits",
      {},
      {{"kernel"}, {"by"}, {"on"}, {"compiler"}, {"outputs", true}, {"digest"}, {"same bits"}},
      {}};
  for (const char* section : {"unary", "reductions", "products", "rows", "steps"}) {
    for (const Json& row : results.at(section)) {
      const std::string size = row.contains("size") ? " " + at(row, "size") : "";
      for (const Json& i : row.at("identity")) {
        table.rows.push_back({at(row, "kernel") + size, at(i, "name"), at(i, "simd"),
                              i.contains("compiler") ? at(i, "compiler") : at(row, "compiler"),
                              at(i, "inputs"), at(i, "digest").substr(0, 16), at(i, "same_bits")});
      }
    }
  }
  return table;
}

std::string speed_of(const Json& row, std::string_view name) {
  for (const Json& c : row.at("contenders")) {
    if (c.at("name") != name) continue;
    return fmt::format("{:.3g}", c.at(c.contains("ns") ? "ns" : "gflops").get<double>());
  }
  return "";
}

// Sums, dot products and matrix products.
void add_reductions(const Json& row, std::vector<ResultTable>& list) {
  const bool product = row.contains("size");
  const std::string shape = product ? fmt::format("matmul {0}x{0}x{0}", row.at("size").get<int>())
                                    : fmt::format("{} of {} values, {} times", at(row, "kernel"),
                                                  at(row, "length"), at(row, "trials"));
  ResultTable table{"reductions",
                    shape,
                    {},
                    {{"inputs"},
                     {"condition", true},
                     {"by"},
                     {"max, u", true},
                     {"rms, u", true},
                     {"p99.9, u", true},
                     {"probable bound", true},
                     {"bound", true},
                     {"forward max, u", true},
                     {"forward rms, u", true},
                     {product ? "GFLOP/s" : "ns", true},
                     {"bits of"}},
                    {}};
  for (const Json& family : row.at("families")) {
    for (const Json& c : family.at("contenders")) {
      const auto name = c.at("name").get<std::string>();
      std::string bits;
      for (const Json& each : row.at("contenders")) {
        if (each.at("name") == name) bits = at(each, "same_bits_as");
      }
      const Json &backward = c.at("backward"), &forward = c.at("forward");
      table.rows.push_back(
          {at(family, "name"), at(family, "condition"), name, at(backward, "max"),
           at(backward, "rms"), at(backward, "p999"),
           at(c, "probable_bound") + (c.at("suspicious").get<bool>() ? " (!)" : ""), at(c, "bound"),
           at(forward, "max"), at(forward, "rms"), speed_of(row, name), bits});
    }
  }
  list.push_back(std::move(table));
}

void add_rows(const Json& row, std::vector<ResultTable>& list) {
  ResultTable table{"rows",
                    fmt::format("{}, {}", at(row, "kernel"), at(row, "shape")),
                    {},
                    {{"inputs"},
                     {"by"},
                     {"forward max, u", true},
                     {"rms", true},
                     {"p99.9", true},
                     {"scaled max, u", true},
                     {"rms", true},
                     {"p99.9", true},
                     {"bound", true},
                     {"ns", true}},
                    {}};
  for (const Json& family : row.at("families")) {
    for (const Json& c : family.at("contenders")) {
      const Json &forward = c.at("forward"), &scaled = c.at("scaled");
      table.rows.push_back(
          {at(family, "name"), at(c, "name"), at(forward, "max"), at(forward, "rms"),
           at(forward, "p999"), at(scaled, "max"), at(scaled, "rms"), at(scaled, "p999"),
           at(family, "bound") + ", " + at(family, "bound_of"), speed_of(row, at(c, "name"))});
    }
  }
  list.push_back(std::move(table));
}

void add_steps(const Json& row, std::vector<ResultTable>& list) {
  ResultTable table{"rows",
                    fmt::format("One step of {}, {}", at(row, "kernel"), at(row, "shape")),
                    {},
                    {{"gradients"},
                     {"by"},
                     {"of"},
                     {"max, u", true},
                     {"rms, u", true},
                     {"p99.9, u", true},
                     {"ns", true}},
                    {}};
  for (const Json& family : row.at("families")) {
    for (const Json& c : family.at("contenders")) {
      for (const char* part : {"weight", "update", "first_moment", "second_moment"}) {
        if (!c.contains(part)) continue;
        table.rows.push_back({at(family, "name"), at(c, "name"), part, at(c.at(part), "max"),
                              at(c.at(part), "rms"), at(c.at(part), "p999"),
                              speed_of(row, at(c, "name"))});
      }
    }
  }
  list.push_back(std::move(table));
}

ResultTable halves(const Json& results) {
  ResultTable table{
      "half",
      "Functions of one bf16 or f16, all 65,536 inputs, by f32 and a rounding",
      {},
      {{"function"}, {"format"}, {"by"}, {"max ULP", true}, {"misrounded", true}, {"worst input"}},
      {}};
  for (const Json& row : results.at("half")) {
    for (const Json& format : row.at("formats")) {
      for (const Json& c : format.at("contenders")) {
        table.rows.push_back({at(row, "kernel"), at(format, "format"), at(c, "name"),
                              ulp(c.at("max_ulp")), at(c, "misrounded"),
                              "0x" + at(c, "worst_input")});
      }
    }
  }
  return table;
}

ResultTable pairs(const Json& results) {
  ResultTable table{"half",
                    "bf16 arithmetic by f32 and a rounding",
                    {},
                    {{"operation"},
                     {"pairs", true},
                     {"misrounded", true},
                     {"zero sign", true},
                     {"first wrong pair"},
                     {"digest"}},
                    {}};
  for (const Json& row : results.at("pairs")) {
    table.rows.push_back({at(row, "operation"), at(row, "pairs"), at(row, "misrounded"),
                          at(row, "zero_sign"), at(row, "first"), at(row, "digest").substr(0, 16)});
  }
  return table;
}

ResultTable doubles(const Json& results) {
  ResultTable table{"f64",
                    "Functions of one f64: lower bounds of the largest error",
                    {},
                    {{"function"},
                     {"by"},
                     {"inputs", true},
                     {"max ULP at least", true},
                     {"misrounded", true},
                     {"worst input"},
                     {"ns", true}},
                    {}};
  for (const Json& row : results.at("f64")) {
    for (const Json& c : row.at("contenders")) {
      table.rows.push_back({at(row, "kernel"), at(c, "name"), at(row, "inputs"),
                            ulp(c.at("max_ulp")), at(c, "misrounded"), "0x" + at(c, "worst_input"),
                            fmt::format("{:.3g}", c.at("ns").get<double>())});
    }
  }
  return table;
}

ResultTable check_table(const Json& results) {
  ResultTable table{"checks", "Checks", {}, {{"what"}, {"expected"}, {"found"}, {"verdict"}}, {}};
  for (const Json& check : results.at("checks")) {
    table.rows.push_back({at(check, "what"), at(check, "expected"), at(check, "found"),
                          check.at("pass").get<bool>()      ? "pass"
                          : check.at("promise").get<bool>() ? "FAIL"
                                                            : "no"});
  }
  return table;
}

}  // namespace

std::vector<ResultTable> tables(const Json& results) {
  std::vector<ResultTable> all = {functions(results), outside(results), references(results)};
  for (const Json& row : results.at("reductions")) add_reductions(row, all);
  for (const Json& row : results.at("products")) add_reductions(row, all);
  for (const Json& row : results.at("rows")) add_rows(row, all);
  for (const Json& row : results.at("steps")) add_steps(row, all);
  all.push_back(halves(results));
  all.push_back(pairs(results));
  all.push_back(doubles(results));
  all.push_back(identities(results));
  all.push_back(check_table(results));
  std::erase_if(all, [](const ResultTable& table) { return table.rows.empty(); });
  return all;
}

}  // namespace palinode::experiments::precision
