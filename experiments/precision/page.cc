#include "experiments/precision/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/embedded.h"
#include "experiments/precision/plots.h"
#include "experiments/precision/tables.h"
#include "experiments/report/html.h"
#include "experiments/report/page.h"

namespace palinode::experiments::precision {
namespace {

using report::Json;
using report::Places;

std::string html_of(const ResultTable& table) {
  std::vector<report::Table::Column> columns;
  for (const auto& column : table.columns) columns.push_back({column.title, column.numeric});
  report::Table html(table.title, columns);
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const std::string& cell : row) {
      if (cell == "pass") {
        cells.push_back(report::chip(cell, "good"));
      } else if (cell == "FAIL") {
        cells.push_back(report::chip("fail", "bad"));
      } else if (cell == "no" && table.section == "checks") {
        cells.push_back(report::chip("no", "open"));
      } else {
        cells.push_back(report::escape(cell));
      }
    }
    html.row(cells);
  }
  return html.html();
}

// The tables of one section, each under its title.
std::string section(const std::vector<ResultTable>& all, std::string_view name) {
  std::string out;
  for (const ResultTable& table : all) {
    if (table.section != name) continue;
    out += fmt::format("<h3>{}</h3>\n{}", report::escape(table.title), html_of(table));
  }
  return out.empty() ? "<p class=\"none\">Not part of this run.</p>\n" : out;
}

// The rows with a kernel of ours, then the others.
Json ours_first(Json rows) {
  const auto ours = [](const Json& row) {
    return std::ranges::any_of(row.at("contenders"),
                               [](const Json& each) { return each.at("name") == "Palinode"; });
  };
  std::stable_partition(rows.begin(), rows.end(), ours);
  return rows;
}

void add_plots(const Json& results, Places& places) {
  std::size_t index = 0;
  const auto plots = [&](const Json& rows, auto spec, const char* what) {
    std::string out;
    for (const Json& row : rows) {
      std::string title = report::text(row, "kernel");
      if (row.contains("size")) title += " " + report::text(row, "size");
      out += fmt::format("<div><h3>{}{}</h3>\n{}</div>\n", report::escape(title), what,
                         report::chart(fmt::format("plot-{}", ++index), spec(row), places));
    }
    return out.empty() ? "" : "<div class=\"pair\">\n" + out + "</div>\n";
  };
  places["function_plots"] = plots(ours_first(report::list(results, "unary")), front_spec, "");
  places["reduction_plots"] =
      plots(report::list(results, "reductions"), front_spec, ", uniform inputs") +
      plots(report::list(results, "products"), front_spec, ", uniform inputs") +
      plots(report::list(results, "reductions"), condition_spec, ", ill-conditioned inputs");
}

void add_training(const Json& results, Places& places) {
  std::string out;
  for (const Json& row : report::list(results, "training")) {
    out += report::chart("training-distance", training_spec(row), places);
  }
  places["training_plot"] = out;
}

void add_verdict(const Json& results, Places& places) {
  std::size_t all = 0, kept = 0, compared = 0, held = 0;
  for (const Json& check : report::list(results, "checks")) {
    const bool promise = report::member(check, "promise") == Json(true);
    ++(promise ? all : compared);
    if (report::member(check, "pass") == Json(true)) ++(promise ? kept : held);
  }
  places["tone"] = all == 0 ? "open" : kept == all ? "good" : "bad";
  places["headline"] = all == 0      ? std::string("Nothing to check in this run")
                       : kept == all ? fmt::format("All {} checks pass", all)
                                     : fmt::format("{} of {} checks fail", all - kept, all);
  if (compared != 0) {
    places["headline"] += fmt::format("; {} of {} comparisons hold", held, compared);
  }
  places["command"] = report::command(report::text(results, "command"));
  const Json& environment = report::member(results, "environment");
  std::string facts;
  for (const auto& [key, value] : environment.items()) {
    std::string name = key;
    for (char& c : name) c = c == '_' ? ' ' : c;
    facts += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", report::escape(name),
                         report::escape(report::text(environment, key)));
  }
  places["facts"] = facts;
  places["version"] = report::escape(report::text(results, "version"));
}

}  // namespace

std::string render_page(const nlohmann::ordered_json& results) {
  const Json plain = results;
  const std::vector<ResultTable> all = tables(results);
  Places places;
  report::add_assets(places);
  places["specs"] = "";
  add_verdict(plain, places);
  add_plots(plain, places);
  add_training(plain, places);
  for (const char* name :
       {"checks", "functions", "reductions", "rows", "half", "f64", "training", "identity"}) {
    places[name] = section(all, name);
  }
  return report::fill(embedded::precision_html(), places);
}

std::string render_markdown(const nlohmann::ordered_json& results) {
  std::string out = fmt::format("    {}\n\n", results.at("command").get<std::string>());
  for (const auto& [key, value] : results.at("environment").items()) {
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    out += fmt::format("- {}: {}\n", key, text);
  }
  out += "\n";
  for (const ResultTable& table : tables(results)) out += as_markdown(table);
  return out;
}

}  // namespace palinode::experiments::precision
