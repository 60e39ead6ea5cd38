#include "experiments/report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>
#include <utility>

#include "experiments/report/paper_marks.h"
#include "experiments/report/vega.h"

namespace palinode::experiments::report {
namespace {

constexpr double kLowestDrawn = -1;     // factors below are drawn here, with an arrow
constexpr std::size_t kRowHeight = 20;  // pixels

constexpr std::array<std::string_view, 19> kRollbackNames = {
    "none",
    "snapshot",
    "undo journal",
    "float delta subtracted",
    "inexact delta subtracted",
    "delta re-estimated",
    "fine-tuned back",
    "distilled back",
    "gradient ascent",
    "SGD replayed backwards",
    "momentum replayed backwards",
    "Adam replayed backwards",
    "noise regenerated",
    "regularized adaptation",
    "merge, then subtract",
    "merged siblings",
    "partial snapshot",
    "unload \u03c6",
    "retrain from seed",
};

// The 12 of "R12"; a large number for anything else, so that it comes last.
std::size_t rollback_number(const std::string& rollback) {
  constexpr std::size_t kUnknown = 1000;
  if (rollback.size() < 2 || rollback[0] != 'R') return kUnknown;
  std::size_t number = 0;
  const char* end = rollback.data() + rollback.size();
  const auto [stop, error] = std::from_chars(rollback.data() + 1, end, number);
  return error == std::errc() && stop == end ? number : kUnknown;
}

std::string locus_title(const std::string& locus) {
  if (locus == "theta") return "\u03b8";
  if (locus == "phi") return "\u03c6";
  return locus;
}

void sort_groups(std::vector<Json>& groups) {
  std::vector<std::string> mechanisms;
  const auto place = [&](const Json& group) {
    const std::string name = text(group, "mechanism");
    const auto found = std::find(mechanisms.begin(), mechanisms.end(), name);
    if (found != mechanisms.end()) return found - mechanisms.begin();
    mechanisms.push_back(name);
    return static_cast<std::ptrdiff_t>(mechanisms.size() - 1);
  };
  for (const Json& group : groups) place(group);
  const auto key = [&](const Json& group) {
    const std::string locus = text(group, "locus");
    const std::string rollback = text(group, "rollback");
    return std::tuple(place(group), locus != "theta", locus, figure(group, "alpha").value_or(-1),
                      rollback_number(rollback), rollback);
  };
  std::stable_sort(groups.begin(), groups.end(),
                   [&](const Json& a, const Json& b) { return key(a) < key(b); });
}

// A row of the ladder is named "index TAB short label TAB long label"; the page shows one of the
// labels, by width.
std::string row_name(std::size_t index, const std::string& brief, const std::string& full) {
  return fmt::format("{}\t{}\t{}", index, brief, full);
}

// "unload, lora": of rollbacks of one id the variant tells which.
std::string with_variant(std::string name, const Json& group, std::string_view between) {
  const std::string variant = text(group, "variant");
  return variant.empty() ? name : name.append(between).append(variant);
}

// What the ladder draws for one group, beside its row.
Json ladder_datum(const Json& group) {
  const Json& rf = member(group, "rf");
  const auto mean = figure(rf, "mean");
  const std::string state = text(group, "rf_state");
  Json datum = {{"locus", text(group, "locus")},
                {"what", mechanism_title(group)},
                {"rollback", with_variant(rollback_title(text(group, "rollback")), group, ", ")},
                {"seeds", text(group, "n")},
                {"bits equal", text(group, "bits_equal")}};
  if (state != "value" || !mean) {
    datum["form"] = "words";
    datum["label"] = state == "below-floor" ? "below the floor" : "undefined";
    datum["RF"] = datum["label"];
    datum["interval"] = "none";
    return datum;
  }
  const bool clamped = *mean < kLowestDrawn;
  const auto n = figure(group, "n");
  const bool equal = n && figure(group, "bits_equal") == n;
  datum["form"] = clamped ? "arrow" : equal ? "bits" : "function";
  datum["x"] = std::max(*mean, kLowestDrawn);
  datum["RF"] = factor(mean);
  datum["interval"] = factor_interval(rf);
  const auto lo = figure(rf, "lo");
  const auto hi = figure(rf, "hi");
  if (lo && hi) {
    datum["lo"] = std::max(*lo, kLowestDrawn);
    datum["hi"] = std::max(*hi, kLowestDrawn);
  }
  datum["label"] = factor(mean);
  const bool left = *mean >= 0.5;  // the side with more room
  datum["side"] = left ? "left" : "right";
  datum["edge"] = figure(datum, left ? "lo" : "hi").value_or(figure(datum, "x").value_or(0));
  return datum;
}

struct Rows {
  Json values = Json::array();
  Json paper = Json::array();  // the paper's factor, in the row of what it is of
  Json names = Json::array();
  double least = 0;  // the lowest factor drawn
};

Rows ladder_rows(const Panel& panel) {
  Rows rows;
  std::string last;
  for (const Json& group : panel.groups) {
    const std::string title = mechanism_title(group);
    if (title != last) {
      const std::string name = row_name(rows.names.size(), "", "");
      rows.names.push_back(name);
      rows.values.push_back({{"row", name}, {"form", "title"}, {"label", title}});
      last = title;
    }
    Json datum = ladder_datum(group);
    datum["row"] = row_name(rows.names.size(), with_variant(text(group, "rollback"), group, " "),
                            with_variant(rollback_title(text(group, "rollback")), group, ", "));
    rows.names.push_back(datum["row"]);
    for (const PaperMark& mark : paper_recoverability(group)) {
      rows.paper.push_back({{"row", datum["row"]},
                            {"x", mark.at},
                            {"paper", mark.series},
                            {"RF", mark.figure},
                            {"note", mark.note}});
    }
    for (const char* end : {"x", "lo"}) {
      rows.least = std::min(rows.least, figure(datum, end).value_or(0));
    }
    rows.values.push_back(std::move(datum));
  }
  return rows;
}

// A layer that draws the data whose form is the given one.
Json layer_of(const char* form, Json mark, Json encoding) {
  return {{"transform", {{{"filter", fmt::format("datum.form === '{}'", form)}}}},
          {"mark", std::move(mark)},
          {"encoding", std::move(encoding)}};
}

// Marks take their colors from named styles, which the page's script sets for a light or a dark
// screen.
Json ladder_layers(const Json& x, const Json& y, double words_start) {
  const Json place = {{"x", x}, {"y", y}};
  const Json dot = with(
      place, {{"color", locus_color()},
              {"tooltip", tooltip({"what", "rollback", "RF", "interval", "seeds", "bits equal"})}});
  const Json start = {{"datum", words_start}, {"type", "quantitative"}, {"scale", x["scale"]}};
  const Json label = {{"field", "label"}};
  const Json written = {{"type", "text"}, {"align", "left"}, {"dx", 8}};
  Json layers = Json::array();
  layers.push_back({{"data", {{"values", {{{"x", 0}}, {{"x", 1}}}}}},
                    {"mark", {{"type", "rule"}, {"style", "reference"}}},
                    {"encoding", {{"x", x}}}});
  layers.push_back(
      {{"transform", {{{"filter", "isValid(datum.lo)"}}}},
       {"mark", {{"type", "rule"}, {"strokeWidth", 2}}},
       {"encoding", with(dot, {{"x", with(x, {{"field", "lo"}})}, {"x2", {{"field", "hi"}}}})}});
  layers.push_back(layer_of("bits", {{"type", "point"}, {"filled", true}, {"size", 70}}, dot));
  layers.push_back(layer_of("function", {{"type", "point"}, {"style", "ring"}, {"size", 56}}, dot));
  layers.push_back(layer_of(
      "arrow", {{"type", "point"}, {"filled", true}, {"shape", "triangle-left"}, {"size", 80}},
      dot));
  for (const char* side : {"left", "right"}) {
    const bool left = std::string_view(side) == "left";
    layers.push_back(
        {{"transform", {{{"filter", fmt::format("datum.side === '{}'", side)}}}},
         {"mark",
          {{"type", "text"},
           {"align", left ? "right" : "left"},
           {"dx", left ? -8 : 8},
           {"style", "value"}}},
         {"encoding", with(place, {{"x", with(x, {{"field", "edge"}})}, {"text", label}})}});
  }
  layers.push_back(layer_of("words", with(written, {{"style", "words"}}),
                            with(place, {{"x", start}, {"text", label}})));
  layers.push_back(layer_of("title", with(written, {{"style", "title"}}),
                            with(place, {{"x", start}, {"text", label}})));
  return layers;
}

}  // namespace

std::vector<Panel> panels(const Json& groups) {
  std::vector<Panel> out;
  for (const Json& group : groups) {
    const std::string study = text(group, "study");
    const std::string model = text(group, "model");
    const std::string data = text(group, "data");
    auto found = std::find_if(out.begin(), out.end(), [&](const Panel& panel) {
      return panel.study == study && panel.model == model && panel.data == data;
    });
    if (found == out.end()) found = out.insert(out.end(), Panel{study, model, data, {}});
    found->groups.push_back(group);
  }
  for (Panel& panel : out) sort_groups(panel.groups);
  return out;
}

std::string rollback_title(const std::string& rollback) {
  const std::size_t number = rollback_number(rollback);
  if (number >= kRollbackNames.size()) return rollback;
  return fmt::format("{} {}", rollback, kRollbackNames[number]);
}

std::string mechanism_title(const Json& group) {
  std::string out = text(group, "mechanism");
  const std::string locus = text(group, "locus");
  if (!locus.empty()) out += " on " + locus_title(locus);
  const auto alpha = figure(group, "alpha");
  if (alpha) out += ", \u03b1 " + number(alpha);
  return out;
}

Json ladder_spec(const Panel& panel) {
  Rows rows = ladder_rows(panel);
  const bool below = rows.least <= kLowestDrawn;
  const double left = below ? -1.08 : rows.least < 0 ? rows.least - 0.05 : -0.04;
  Json ticks = {0, 0.25, 0.5, 0.75, 1};
  if (rows.least < -0.3) ticks = {-1, -0.5, 0, 0.5, 1};
  const Json x = {
      {"field", "x"},
      {"type", "quantitative"},
      {"title", "Recoverability factor (1 = exact, 0 = none)"},
      {"scale", {{"domain", {left, 1.04}}, {"nice", false}, {"zero", false}}},
      {"axis",
       {{"values", ticks},
        {"labelExpr",
         fmt::format("{} && datum.value === -1 ? '\u2264 \u22121' : format(datum.value, '.3~g')",
                     below)}}}};
  const char* label = "split(datum.value, '\\t')[windowSize()[0] < 640 ? 1 : 2]";
  const Json y = {
      {"field", "row"},
      {"type", "nominal"},
      {"title", nullptr},
      {"scale", {{"domain", rows.names}}},
      {"axis", {{"labelExpr", label}, {"ticks", false}, {"domain", false}, {"grid", false}}}};
  Json layers = ladder_layers(x, y, rows.least < 0 ? left : 0);
  if (!rows.paper.empty()) {
    layers.push_back({{"data", {{"values", std::move(rows.paper)}}},
                      {"mark", {{"type", "point"}, {"style", "around"}, {"size", 170}}},
                      {"encoding",
                       {{"x", x},
                        {"y", y},
                        {"shape", {{"value", "diamond"}}},
                        {"tooltip", tooltip({"paper", "RF", "note"})}}}});
  }
  return {{"description", fmt::format("Recoverability factor by mechanism and rollback, {} {} {}",
                                      panel.study, panel.model, panel.data)},
          {"width", "container"},
          {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
          {"height", kRowHeight * rows.names.size()},
          {"data", {{"values", std::move(rows.values)}}},
          {"layer", std::move(layers)}};
}

}  // namespace palinode::experiments::report
