#include "experiments/report/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "experiments/report/paper_marks.h"
#include "experiments/report/vega.h"

namespace palinode::experiments::report {
namespace {

constexpr std::size_t kMostColumns = 12;
constexpr double kLowestFactor = -1;

struct Drawn {
  std::string_view study, variable, quantity;
};

constexpr std::array kDrawn = {Drawn{"E0", "repeat", "entropy"},
                               Drawn{"E2", "eps", "kl"},
                               Drawn{"E2", "rate", "first-zero"},
                               Drawn{"E5", "update", "return"},
                               Drawn{"E5", "update", "kl_start"},
                               Drawn{"E6", "tasks", "rf-identity"},
                               Drawn{"E6", "learned-later", "rf-remaining"},
                               Drawn{"E8", "cycles", "words-changed-share"},
                               Drawn{"E8", "cycles", "drift"},
                               Drawn{"E8", "ratio", "words-changed-share"},
                               Drawn{"E9", "parameters", "rf"},
                               Drawn{"E11", "sigma", "svar"},
                               Drawn{"E11", "sigma", "sensitivity"},
                               Drawn{"E12", "leak", "power"},
                               Drawn{"E13", "steps", "rf"},
                               Drawn{"E13", "steps", "words-changed-share"},
                               Drawn{"E14", "bytes-share", "rf"},
                               Drawn{"E15", "siblings", "rf"},
                               Drawn{"E17", "position", "kl"},
                               Drawn{"E19", "lambda", "d-adapt"},
                               Drawn{"E19", "lambda", "score"}};

bool is_factor(const std::string& quantity) { return quantity.starts_with("rf"); }

// Logarithmic where every value is above 0 and they span more than a decade.
bool is_wide(const std::vector<double>& values) {
  const auto [least, most] = std::ranges::minmax_element(values);
  return !values.empty() && *least > 0 && *most > 20 * *least;
}

Json scale_of(const std::vector<double>& values) {
  if (is_wide(values)) return {{"type", "log"}, {"nice", false}};
  return {{"type", "linear"}, {"zero", false}};
}

std::string title_of(const std::string& name) {
  std::string title = name;
  std::ranges::replace(title, '-', ' ');
  std::ranges::replace(title, '_', ' ');
  return title;
}

double drawn(const CurveSet& set, double value) {
  return is_factor(set.quantity) ? std::max(value, kLowestFactor) : value;
}

// Differences of two series and the 0 at a perturbation of size 0 are for the table: neither has a
// place on a logarithmic scale.
Json values_of(const CurveSet& set, std::vector<double>& heights) {
  Json values = Json::array();
  for (const Json& point : set.points) {
    const auto mean = figure(point, "mean");
    const auto at = figure(point, "at");
    if (!mean || !at || (*mean == 0 && *at == 0)) continue;
    if (text(point, "series").find(" - ") != std::string::npos) continue;
    heights.push_back(drawn(set, *mean));
    values.push_back({{"at", *at},
                      {"series", text(point, "series")},
                      {"y", heights.back()},
                      {"lo", drawn(set, figure(point, "lo").value_or(*mean))},
                      {"hi", drawn(set, figure(point, "hi").value_or(*mean))},
                      {"mean", number(mean)},
                      {"interval", interval(point)}});
  }
  return values;
}

Json frame(const CurveSet& set, Json values) {
  return {{"description",
           fmt::format("{}: {} against {}, {}", set.study, set.quantity, set.variable, set.model)},
          {"width", "container"},
          {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
          {"height", 260},
          {"data", {{"values", std::move(values)}}}};
}

// What each tensor answers to noise of each size, as a field of colors.
Json heat_spec(const CurveSet& set, Json values) {
  Json spec = frame(set, std::move(values));
  spec["height"] = {{"step", 24}};
  spec["mark"] = {{"type", "rect"}};
  spec["encoding"] = {
      {"x", {{"field", "at"}, {"type", "ordinal"}, {"title", title_of(set.variable)}}},
      {"y", {{"field", "series"}, {"type", "nominal"}, {"title", nullptr}, {"sort", nullptr}}},
      {"color",
       {{"field", "y"},
        {"type", "quantitative"},
        {"title", "nats"},
        {"scale", {{"type", "symlog"}, {"constant", 1e-4}, {"scheme", "viridis"}}}}},
      {"tooltip", tooltip({"series", "at", "mean", "interval"})}};
  return spec;
}

std::vector<double> table_places(const CurveSet& set) {
  std::vector<double> places = set.places();
  if (places.size() <= kMostColumns) return places;
  std::vector<double> some;
  for (std::size_t i = 0; i < kMostColumns; ++i) {
    some.push_back(places[i * (places.size() - 1) / (kMostColumns - 1)]);
  }
  return some;
}

// With the paper's marks in the plot, which lie far from the lines and must not touch its edges.
void set_axes_beside_paper(const CurveSet& set, Json& x, Json& y) {
  x["scale"].update({{"nice", false}, {"padding", 7}});
  if (set.quantity == "kl") {
    // The paper's KL reach far above ours, and many are 0: a scale for both.
    y["scale"] = {{"type", "symlog"}, {"constant", 1e-3}, {"domain", {0, 30}}};
    y["axis"] = {{"values", {0, 1e-3, 1e-2, 0.1, 1, 10}},
                 {"labelExpr", "format(datum.value, '.3~g')"}};
  }
  if (is_factor(set.quantity)) y["scale"]["domainMin"] = 0;
  if (set.variable == "repeat") x["axis"].update({{"tickMinStep", 1}, {"format", "d"}});
  if (set.variable == "parameters") {
    x["axis"].update({{"values", {1e4, 1e5, 1e6, 1e7, 1e8, 1e9}},
                      {"labelExpr", "replace(format(datum.value, '~s'), 'G', 'B')"},
                      {"labelBound", true}});
  }
}

}  // namespace

std::vector<std::string> CurveSet::series() const {
  std::vector<std::string> names;
  for (const Json& point : points) {
    const std::string name = text(point, "series");
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

std::vector<double> CurveSet::places() const {
  std::vector<double> places;
  for (const Json& point : points) places.push_back(figure(point, "at").value_or(0));
  std::ranges::sort(places);
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

std::vector<CurveSet> curve_sets(const Json& curves, const std::string& study) {
  std::vector<CurveSet> sets;
  for (const Json& point : curves) {
    if (text(point, "study") != study) continue;
    const std::string variable = text(point, "variable");
    const std::string model = variable == "parameters" ? "all sizes" : text(point, "model");
    const std::string quantity = text(point, "quantity");
    const auto same = [&](const CurveSet& set) {
      return std::tie(set.model, set.variable, set.quantity) == std::tie(model, variable, quantity);
    };
    auto found = std::ranges::find_if(sets, same);
    if (found == sets.end()) {
      sets.push_back({study, model, variable, quantity, {}});
      found = sets.end() - 1;
    }
    found->points.push_back(point);
  }
  return sets;
}

bool is_drawn(const CurveSet& set) {
  const auto same = [&set](const Drawn& drawn) {
    return drawn.study == set.study && drawn.variable == set.variable &&
           drawn.quantity == set.quantity;
  };
  return std::ranges::any_of(kDrawn, same) && set.places().size() > 1;
}

Json curve_spec(const CurveSet& set) {
  std::vector<double> heights;
  Json values = values_of(set, heights);
  if (set.quantity == "sensitivity") return heat_spec(set, std::move(values));
  Json spec = frame(set, std::move(values));
  std::vector<double> drawn_places;
  for (const Json& value : spec["data"]["values"]) drawn_places.push_back(value["at"]);
  const std::vector<PaperMark> marks = paper_marks(set);
  for (const PaperMark& mark : marks) {
    drawn_places.push_back(mark.at);
    heights.push_back(mark.y);
  }
  Json x = {{"field", "at"},
            {"type", "quantitative"},
            {"title", title_of(set.variable)},
            {"scale", scale_of(drawn_places)},
            {"axis", {{"grid", false}, {"labelOverlap", "greedy"}}}};
  Json y = {{"field", "y"},
            {"type", "quantitative"},
            {"title", title_of(set.quantity)},
            {"scale", scale_of(heights)}};
  if (!marks.empty()) set_axes_beside_paper(set, x, y);
  const Json color = {{"field", "series"},
                      {"type", "nominal"},
                      {"sort", nullptr},
                      {"scale", {{"scheme", "tableau20"}}},
                      {"legend",
                       {{"title", nullptr},
                        {"orient", "bottom"},
                        {"columns", legend_columns()},
                        {"labelLimit", 300},
                        {"symbolType", "stroke"},
                        {"symbolOpacity", 1},
                        {"symbolStrokeWidth", 3}}}};
  const Json line = {{"x", x}, {"y", y}, {"color", color}};
  const Json band = with(line, {{"y", with(y, {{"field", "lo"}})}, {"y2", {{"field", "hi"}}}});
  const Json dot = with(line, {{"tooltip", tooltip({"series", "at", "mean", "interval"})}});
  Json layers = Json::array();
  layers.push_back({{"mark", {{"type", "area"}, {"opacity", 0.15}}}, {"encoding", band}});
  layers.push_back({{"mark", {{"type", "line"}, {"strokeWidth", 2}}}, {"encoding", line}});
  layers.push_back(
      {{"mark", {{"type", "point"}, {"filled", true}, {"size", 24}}}, {"encoding", dot}});
  if (!marks.empty()) layers.push_back(paper_layer(marks, x, y));
  spec["layer"] = std::move(layers);
  return spec;
}

std::string curve_title(const CurveSet& set) {
  std::string title = title_of(set.quantity);
  if (!set.variable.empty()) title += " against " + title_of(set.variable);
  title += ", " + set.model;
  const std::size_t all = set.places().size(), shown = table_places(set).size();
  return all == shown ? title : title + fmt::format(" (table: {} of {} places)", shown, all);
}

std::string curve_table(const CurveSet& set) {
  const std::vector<double> places = table_places(set);
  std::vector<Table::Column> columns = {{"Series"}};
  for (const double place : places) {
    columns.push_back({set.variable.empty() ? "Mean" : number(place), true});
  }
  Table table(curve_title(set), columns);
  for (const std::string& name : set.series()) {
    std::vector<std::string> cells = {escape(name)};
    for (const double place : places) {
      const auto here = std::ranges::find_if(set.points, [&](const Json& point) {
        return text(point, "series") == name && figure(point, "at") == place;
      });
      cells.push_back(here == set.points.end()
                          ? ""
                          : with_interval(number(figure(*here, "mean")), interval(*here)));
    }
    table.row(cells);
  }
  return table.html();
}

}  // namespace palinode::experiments::report
