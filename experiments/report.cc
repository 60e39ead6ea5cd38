#include "experiments/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "experiments/embedded.h"
#include "experiments/report/charts.h"
#include "experiments/report/curves.h"
#include "experiments/report/html.h"
#include "experiments/report/page.h"
#include "experiments/report/verdicts.h"
#include "experiments/results/groups.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

using report::Json;
using report::Table;

using report::Places;

std::string code(const std::string& words) {
  return words.empty() ? "" : "<code>" + report::escape(words) + "</code>";
}

std::string missing(const char* words) {
  return fmt::format("<span class=\"none\">{}</span>", words);
}

std::string plural(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// A row for each study, and the counts of those that match, do not, and have nothing to be compared
// with.
struct Digests {
  std::string table;
  std::size_t match = 0, differ = 0, unpublished = 0;
};

Digests digests(const Json& results) {
  Digests out;
  Table table("Digests of final parameters and results, by study",
              {{"Study"}, {"Digest"}, {"SHA-256 computed"}, {"SHA-256 published"}});
  const Json& studies = report::member(results, "digests");
  if (!studies.is_object() || studies.empty()) return out;
  for (const auto& [study, entry] : studies.items()) {
    const Json& match = report::member(entry, "match");
    const bool compared = match.is_boolean();
    const bool same = compared && match.get<bool>();
    ++(same ? out.match : compared ? out.differ : out.unpublished);
    const std::string published = report::text(entry, "published");
    table.row({report::escape(study),
               same       ? report::chip("match", "good")
               : compared ? report::chip("mismatch", "bad")
                          : report::chip("not published", "open"),
               code(report::text(entry, "computed")),
               same                ? missing("the same")
               : published.empty() ? missing("none")
                                   : code(published)});
  }
  out.table = table.html();
  return out;
}

// "simd_available" as words.
std::string label(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  if (key == "os") return "System";
  return key.starts_with("simd") ? "SIMD" + key.substr(4) : key;
}

void add_headline(const Digests& found, const std::string& size, const std::string& warning,
                  Places& places) {
  const std::size_t all = found.match + found.differ + found.unpublished;
  if (!warning.empty()) {
    places["tone"] = "open";
    places["headline"] = report::escape(warning);
    places["explanation"] = "Digests are not compared: these bits are this machine's own.";
  } else if (found.differ > 0) {
    places["tone"] = "bad";
    places["headline"] = fmt::format("{} of {} {}", found.differ, plural(all, "study", "studies"),
                                     found.differ == 1 ? "does not match its published digest"
                                                       : "do not match their published digests");
    places["explanation"] =
        "At least one study ended in other bits than those published with this version.";
  } else if (found.match == 0) {
    places["tone"] = "open";
    places["headline"] = "No published digest to compare with";
    places["explanation"] = fmt::format(
        "The studies ran, but this version publishes no digest for a {} run with this seed.", size);
  } else if (found.unpublished > 0) {
    places["tone"] = "open";
    places["headline"] = fmt::format("{} of {} match, the others have no published digest",
                                     found.match, plural(all, "study", "studies"));
    places["explanation"] = "No study contradicts what was published with this version.";
  } else {
    places["tone"] = "good";
    places["headline"] = all == 1 ? "The digest matches the published one"
                                  : fmt::format("{} digests match the published ones",
                                                all == 2 ? "Both" : fmt::format("All {}", all));
    places["explanation"] =
        "Every study ended in the parameters and results published with this version, bit for bit.";
  }
}

void add_verdict(const Json& results, Places& places) {
  const Json& environment = report::member(results, "environment");
  std::vector<std::pair<std::string, std::string>> facts = {
      {"Version", report::text(results, "version")}, {"Seed", report::text(environment, "seed")}};
  const Json& quick = report::member(environment, "quick");
  const std::string size = !quick.is_boolean() ? "" : quick.get<bool>() ? "quick" : "full";
  facts.emplace_back("Size of the studies", size);
  facts.emplace_back("CPU", report::text(environment, "cpu"));
  facts.emplace_back("SIMD target", report::text(environment, "simd"));
  facts.emplace_back("Threads", report::text(environment, "threads"));
  facts.emplace_back("Matrix product", report::text(environment, "backend"));
  facts.emplace_back("Compiler", report::text(environment, "compiler"));
  const std::set<std::string> shown = {"command", "seed",    "quick",    "cpu",    "simd",
                                       "threads", "backend", "compiler", "warning"};
  if (environment.is_object()) {
    for (const auto& [key, value] : environment.items()) {
      if (!shown.contains(key)) facts.emplace_back(label(key), report::text(environment, key));
    }
  }
  std::string list;
  for (const auto& [name, value] : facts) {
    if (value.empty()) continue;
    list += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", report::escape(name),
                        report::escape(value));
  }
  const Digests found = digests(results);
  const std::string warning = report::text(environment, "warning");
  add_headline(found, size, warning, places);
  places["facts"] = std::move(list);
  places["digests"] = warning.empty() ? found.table : "";
  places["command"] = report::command(report::text(environment, "command"));
  places["version"] = report::escape(report::text(results, "version"));
}

void add_claims(const Json& results, Places& places) {
  Table table("Claim ledger", {{"No."},
                               {"Verdict"},
                               {"Claim"},
                               {"Figure", true},
                               {"Study"},
                               {"Rule, and the command that checks it"}});
  const auto words = [](const std::string& text) {
    return "<span class=\"words\">" + report::escape(text) + "</span>";
  };
  std::map<std::string, std::size_t> counts = {{"supported", 0}, {"refuted", 0}, {"open", 0}};
  for (const Json& claim : report::list(results, "claims")) {
    const std::string verdict = report::text(claim, "verdict");
    ++counts[verdict];
    const auto figure = report::figure(claim, "figure");
    table.row(
        {report::escape(report::text(claim, "id")), report::verdict_chip(verdict),
         words(report::text(claim, "claim")),
         figure ? report::with_interval(report::factor(figure), report::factor_interval(claim))
                : missing("n/a"),
         report::escape(report::text(claim, "study")),
         words(report::text(claim, "rule")) + report::command(report::text(claim, "command"))});
  }
  places["claims"] = table.html();
  places["claim_counts"] = fmt::format("{} supported, {} refuted, {} open.", counts["supported"],
                                       counts["refuted"], counts["open"]);
}

std::string panel_title(const report::Panel& panel) {
  return fmt::format("{}: {} on {}", panel.study, panel.model, panel.data);
}

std::string factor_cell(const Json& group) {
  const std::string state = report::text(group, "rf_state");
  if (state == "below-floor") return missing("below the floor");
  const auto mean = report::figure(report::member(group, "rf"), "mean");
  return state == "value" && mean ? report::factor(mean) : missing("undefined");
}

std::string alpha_cell(const Json& group) {
  const auto alpha = report::figure(group, "alpha");
  return alpha ? report::number(alpha) : "";
}

std::string variant_of(const Json& group) {
  const std::string variant = report::text(group, "variant");
  return variant.empty() ? "" : ", " + variant;
}

std::string arm_name(const Json& group) {
  return report::text(group, "rollback") + variant_of(group);
}

std::string seeds_equal(const Json& group) {
  return fmt::format("{} of {}", report::escape(report::text(group, "bits_equal")),
                     report::escape(report::text(group, "n")));
}

std::string ladder_table(const report::Panel& panel) {
  Table table("Recoverability, " + panel_title(panel), {{"Mechanism"},
                                                        {"\u03b1", true},
                                                        {"Locus"},
                                                        {"Rollback"},
                                                        {"RF, mean", true},
                                                        {"95 % interval", true},
                                                        {"RF, median", true},
                                                        {"Bits back", true}});
  for (const Json& group : panel.groups) {
    const Json& rf = report::member(group, "rf");
    const bool value = report::text(group, "rf_state") == "value";
    table.row({report::escape(report::text(group, "mechanism")), alpha_cell(group),
               report::escape(report::text(group, "locus")),
               "<span class=\"tight\">" +
                   report::escape(report::rollback_title(report::text(group, "rollback")) +
                                  variant_of(group)) +
                   "</span>",
               factor_cell(group), value ? report::factor_interval(rf) : "",
               value ? report::factor(report::figure(rf, "median")) : "", seeds_equal(group)});
  }
  return table.html();
}

std::string intensity_table(const report::Panel& panel, const std::vector<Json>& groups) {
  Table table("Divergence against intensity, " + panel_title(panel), {{"Mechanism"},
                                                                      {"\u03b1", true},
                                                                      {"Locus"},
                                                                      {"KL, mean", true},
                                                                      {"95 % interval", true},
                                                                      {"JS, mean", true},
                                                                      {"95 % interval", true},
                                                                      {"Seeds", true}});
  for (const Json& group : groups) {
    const Json& kl = report::member(group, "kl_adapt");
    const Json& js = report::member(group, "js_adapt");
    table.row({report::escape(report::text(group, "mechanism")), alpha_cell(group),
               report::escape(report::text(group, "locus")),
               report::number(report::figure(kl, "mean")), report::interval(kl),
               report::number(report::figure(js, "mean")), report::interval(js),
               report::escape(report::text(group, "n"))});
  }
  return table.html();
}

void add_plots(const std::vector<report::Panel>& panels, Places& places) {
  std::string ladder, intensity;
  std::size_t index = 0;
  for (const report::Panel& panel : panels) {
    ++index;
    const std::string title = "<h3>" + report::escape(panel_title(panel)) + "</h3>\n";
    ladder += title +
              report::chart(fmt::format("ladder-{}", index), report::ladder_spec(panel), places) +
              ladder_table(panel);
    const std::vector<Json> groups = report::intensities(panel);
    if (groups.empty()) continue;
    intensity += title + "<div class=\"pair\">\n";
    for (const char* metric : {"kl_adapt", "js_adapt"}) {
      intensity += report::chart(fmt::format("{}-{}", metric, index),
                                 report::intensity_spec(groups, metric), places);
    }
    intensity += "</div>\n" + intensity_table(panel, groups);
  }
  const std::string none = "<p class=\"none\">These results have no such groups.</p>\n";
  places["ladder"] = ladder.empty() ? none : ladder;
  places["intensity"] = intensity.empty() ? none : intensity;
}

// A part for each study: its question and rule, plots of its main curves, tables of all.
void add_studies(const Json& results, Places& places) {
  std::string all;
  std::size_t index = 0;
  for (const Json& study : report::list(results, "studies")) {
    const std::string id = report::text(study, "id");
    all += fmt::format("<h3>{} {}: {}?</h3>\n<p>Of the paper: {}. Rule: {}.</p>\n",
                       report::escape(id), report::escape(report::text(study, "name")),
                       report::escape(report::text(study, "question")),
                       report::escape(report::text(study, "object")),
                       report::escape(report::text(study, "rule")));
    all += report::judgement_table(report::list(results, "judgements"), id);
    for (const report::CurveSet& set : report::curve_sets(report::list(results, "curves"), id)) {
      all += fmt::format("<h4>{}</h4>\n", report::escape(report::curve_title(set)));
      if (report::is_drawn(set)) {
        all += report::chart(fmt::format("curve-{}", ++index), report::curve_spec(set), places);
      }
      all += report::curve_table(set);
    }
  }
  places["studies"] =
      all.empty() ? "<p class=\"none\">These results name no studies.</p>\n" : std::move(all);
}

void add_groups(const std::vector<report::Panel>& panels, Places& places) {
  Table table("All groups", {{"Study"},
                             {"Model, data"},
                             {"Mechanism"},
                             {"\u03b1", true},
                             {"Locus"},
                             {"Rollback"},
                             {"n", true},
                             {"KL adapted", true},
                             {"KL recovered", true},
                             {"JS adapted", true},
                             {"JS recovered", true},
                             {"RF", true},
                             {"Words changed", true},
                             {"Bits back", true},
                             {"Task adapted", true},
                             {"Task recovered", true},
                             {"Verdict"}});
  const auto metric = [](const Json& group, const char* key) {
    const Json& found = report::member(group, key);
    return report::with_interval(report::number(report::figure(found, "mean")),
                                 report::interval(found));
  };
  const auto words = [](const Json& group, const char* key) {
    return "<span class=\"tight\">" + report::escape(report::text(group, key)) + "</span>";
  };
  for (const report::Panel& panel : panels) {
    for (const Json& group : panel.groups) {
      const bool value = report::text(group, "rf_state") == "value";
      const Json& changed = report::member(group, "words_changed_share");
      table.row(
          {report::escape(panel.study),
           words(group, "model") + "<br><small>" + report::escape(panel.data) + "</small>",
           words(group, "mechanism"), alpha_cell(group), words(group, "locus"),
           "<span class=\"tight\">" + report::escape(arm_name(group)) + "</span>",
           words(group, "n"), metric(group, "kl_adapt"), metric(group, "kl_rec"),
           metric(group, "js_adapt"), metric(group, "js_rec"),
           report::with_interval(factor_cell(group),
                                 value ? report::factor_interval(report::member(group, "rf")) : ""),
           report::percent(report::figure(changed, "mean")), seeds_equal(group),
           metric(group, "task_metric_adapt"), metric(group, "task_metric_rec"),
           words(group, "verdict")});
    }
  }
  places["groups"] = table.html();
}

}  // namespace

std::string render_report(const nlohmann::json& results) {
  if (!results.is_object() || report::figure(results, "schema") != kResultsSchema) {
    throw FormatError(fmt::format("render_report: expected results of schema {}, got schema {}",
                                  kResultsSchema, report::text(results, "schema")));
  }
  Places places;
  report::add_assets(places);
  add_verdict(results, places);
  add_claims(results, places);
  const Json& groups = report::list(results, "groups");
  const std::vector<report::Panel> panels = report::panels(groups);
  places["specs"] = "";
  add_plots(panels, places);
  add_studies(results, places);
  add_groups(panels, places);
  std::set<std::string> seeds;
  const Json& rows = report::list(results, "rows");
  for (const Json& row : rows) seeds.insert(report::text(row, "seed"));
  places["counts"] =
      fmt::format("{} over {}, in {}.", plural(rows.size(), "row", "rows"),
                  plural(seeds.size(), "seed", "seeds"), plural(groups.size(), "group", "groups"));
  return report::fill(embedded::report_html(), places);
}

}  // namespace palinode::experiments
