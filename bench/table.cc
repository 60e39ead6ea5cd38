#include "bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/interleave.h"
#include "bench/limits.h"

namespace palinode::bench {
namespace {

using nlohmann::ordered_json;

// The contender that a bar is about: of those that fit, the fastest.
std::optional<std::size_t> find_rival(const Measured& measured, const Bar& bar) {
  std::optional<std::size_t> found;
  for (std::size_t i = 1; i < measured.names.size(); ++i) {
    const bool fits = measured.names[i] == bar.rival &&
                      (bar.variant == "best" || bar.variant == measured.variants[i] ||
                       (bar.variant == "auto" && measured.automatic[i]));
    if (!fits) continue;
    if (!found || median(measured.rates[i]) > median(measured.rates[*found])) found = i;
  }
  return found;
}

// Without a bar: the fastest of the rivals, and the limit where there is none.
std::optional<std::size_t> find_rival(const Measured& measured) {
  std::optional<std::size_t> found;
  const auto rank = [&](std::size_t i) {
    return std::pair(measured.names[i] != kLimit, median(measured.rates[i]));
  };
  for (std::size_t i = 1; i < measured.names.size(); ++i) {
    if (!found || rank(i) > rank(*found)) found = i;
  }
  return found;
}

Row& row_for(std::vector<Row>& rows, const Case& one, const Bar& bar) {
  for (Row& row : rows) {
    if (row.what == one.what && row.bar.rival == bar.rival && row.bar.variant == bar.variant) {
      return row;
    }
  }
  Row& row = rows.emplace_back();
  row.what = one.what;
  row.unit = one.unit;
  row.bar = bar;
  row.note = one.note;
  return row;
}

double fastest(const std::vector<double>& rates) {
  return *std::max_element(rates.begin(), rates.end());
}

void add_row(std::vector<Row>& rows, const Case& one, const Measured& measured, const Bar& bar,
             std::optional<std::size_t> rival) {
  if (!rival) return;
  const auto& ours = measured.rates[0];
  const auto& theirs = measured.rates[*rival];
  Row& row = row_for(rows, one, bar);
  row.peer = measured.names[*rival];
  row.variant = measured.variants[*rival];
  row.ours.push_back(figure(one.unit, median(ours)));
  row.peers.push_back(figure(one.unit, median(theirs)));
  row.ours_best.push_back(figure(one.unit, fastest(ours)));
  row.peers_best.push_back(figure(one.unit, fastest(theirs)));
  row.ratios.push_back(ratio(ours, theirs));
  if (measured.check) row.checks.push_back(*measured.check);
  if (measured.names.back() == kLimit) {
    row.limit = measured.variants.back();
    row.shares.push_back(ratio(ours, measured.rates.back()));
  }
}

std::string peer_text(const Row& row) {
  return row.variant.empty() ? row.peer : fmt::format("{} {}", row.peer, row.variant);
}

// 93.4, 0.561, 11200.
std::string figure_text(double x) {
  return x >= 1000 ? fmt::format("{:.0f}", x) : fmt::format("{:.3g}", x);
}

std::string ratio_text(const Row& row) {
  std::string text = fmt::format("{:.3f}", median(row.ratios));
  if (row.ratios.size() == 1) return text;
  const auto [low, high] = std::minmax_element(row.ratios.begin(), row.ratios.end());
  return text + fmt::format(" ({:.3f} to {:.3f})", *low, *high);
}

// The check that failed, or the last one.
const Check* check_of(const Row& row) {
  const auto failed = std::ranges::find(row.checks, false, &Check::pass);
  if (failed != row.checks.end()) return &*failed;
  return row.checks.empty() ? nullptr : &row.checks.back();
}

std::string bar_text(const Row& row) {
  std::string text = row.note;
  if (row.bar.ratio != 0) {
    text =
        fmt::format("{} {:.2f}: {}", row.pass() ? "pass" : "**miss**", row.bar.ratio, row.bar.why);
  }
  const Check* check = check_of(row);
  if (check == nullptr) return text;
  return fmt::format("{}; {}{}", text, check->pass ? "" : "**miss**: ", check->text);
}

}  // namespace

bool Row::pass() const {
  return std::ranges::all_of(ratios, [this](double r) { return r >= bar.ratio; }) &&
         std::ranges::all_of(checks, &Check::pass);
}

void add_rows(std::vector<Row>& rows, const Case& one, const Measured& measured) {
  bool found = false;
  for (const Bar& bar : one.bars) {
    const auto rival = find_rival(measured, bar);
    add_row(rows, one, measured, bar, rival);
    found = found || rival;
  }
  if (!found) add_row(rows, one, measured, {}, find_rival(measured));
}

std::string markdown(const std::vector<Row>& rows, const std::vector<Precision>& precision,
                     const ordered_json& machine) {
  std::string text;
  for (const auto& [name, value] : machine.items()) {
    text += fmt::format("- {}: {}\n", name,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  text +=
      "\n| what | Palinode | rival | its figure | ratio | bar | of the limit |\n"
      "|---|---:|---|---:|---:|---|---:|\n";
  for (const Row& row : rows) {
    const std::string share =
        row.shares.empty() ? ""
                           : fmt::format("{:.0f} % of {}", 100 * median(row.shares), row.limit);
    text += fmt::format("| {} | {} {} | {} | {} {} | {} | {} | {} |\n", row.what,
                        figure_text(median(row.ours)), unit_name(row.unit), peer_text(row),
                        figure_text(median(row.peers)), unit_name(row.unit), ratio_text(row),
                        bar_text(row), share);
  }
  if (precision.empty()) return text;
  text += "\n| matmul f32 512x512x512 | largest error | rms error |\n|---|---:|---:|\n";
  for (const Precision& each : precision) {
    text += fmt::format("| {} {} | {:.2f} u | {:.3f} u |\n", each.name, each.variant, each.max,
                        each.rms);
  }
  return text;
}

ordered_json to_json(const std::vector<Row>& rows, const std::vector<Precision>& precision,
                     const ordered_json& machine) {
  ordered_json j{{"schema", 1}, {"machine", machine}, {"rows", ordered_json::array()}};
  for (const Row& row : rows) {
    ordered_json r{
        {"what", row.what},          {"unit", unit_name(row.unit)}, {"ours", median(row.ours)},
        {"peer", median(row.peers)}, {"ratio", median(row.ratios)}, {"bar", nullptr}};
    if (row.bar.ratio != 0) {
      r["bar"] = row.bar.ratio;
      r["bar_is"] = row.bar.why;
      r["pass"] = row.pass();
    }
    if (!row.note.empty()) r["note"] = row.note;
    if (const Check* check = check_of(row)) {
      r["check"] = {{"text", check->text}, {"pass", check->pass}};
    }
    r["peer_name"] = row.peer;
    r["peer_variant"] = row.variant;
    r["ours_best"] = row.ours_best;
    r["peer_best"] = row.peers_best;
    r["ratio_by_run"] = row.ratios;
    if (!row.shares.empty()) {
      r["limit"] = row.limit;
      r["share_of_limit"] = median(row.shares);
    }
    j["rows"].push_back(r);
  }
  j["precision"] = ordered_json::array();
  for (const Precision& each : precision) {
    j["precision"].push_back({{"what", "matmul f32 512x512x512"},
                              {"name", each.name},
                              {"variant", each.variant},
                              {"max_u", each.max},
                              {"rms_u", each.rms}});
  }
  return j;
}

}  // namespace palinode::bench
