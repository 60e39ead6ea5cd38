#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "experiments/report/charts.h"
#include "experiments/report/paper_marks.h"
#include "experiments/report/vega.h"

namespace palinode::experiments::report {
namespace {

constexpr double kLn2 = 0.69314718055994531;
constexpr const char* kPowerLabel = "format(datum.value, datum.value < 0.001 ? '.3~e' : '.3~g')";

// The largest power of ten that is not above the least positive value, so that a zero has a place
// on a log axis.
double decade_below(double least) {
  double floor = 1;
  while (floor > least && floor > 1e-30) floor /= 10;
  while (floor * 10 <= least) floor *= 10;
  return floor;
}

// Ticks at powers of ten, at most eight or so; at 2 and 5 times them as well where there are less
// than two.
Json decades(double floor, double top) {
  std::vector<double> powers;
  for (double power = floor; power <= top * 1.0001; power *= 10) powers.push_back(power);
  const std::size_t step = powers.size() / 8 + 1;
  Json ticks = Json::array();
  for (std::size_t i = 0; i < powers.size(); i += step) {
    ticks.push_back(powers[i]);
    if (powers.size() > 2) continue;
    for (const double factor : {2.0, 5.0}) {
      if (powers[i] * factor <= top) ticks.push_back(powers[i] * factor);
    }
  }
  return ticks;
}

Json intensity_values(const std::vector<Json>& groups, const std::string& metric, double floor) {
  Json values = Json::array();
  for (const Json& group : groups) {
    const Json& found = member(group, metric);
    const auto mean = figure(found, "mean");
    if (!mean) continue;
    const auto lo = figure(found, "lo").value_or(*mean);
    const auto hi = figure(found, "hi").value_or(*mean);
    values.push_back({{"alpha", figure(group, "alpha").value_or(0)},
                      {"locus", text(group, "locus")},
                      {"mechanism", text(group, "mechanism")},
                      {"series", text(group, "locus") + " " + text(group, "mechanism")},
                      {"what", mechanism_title(group)},
                      {"y", std::max(*mean, floor)},
                      {"lo", std::max(lo, floor)},
                      {"hi", std::max(hi, floor)},
                      {"mean", number(mean)},
                      {"interval", interval(found)},
                      {"seeds", text(group, "n")}});
  }
  return values;
}

// The bound of the Jensen-Shannon divergence, as a line with its name.
void push_bound(Json& layers, const Json& y) {
  const Json data = {{"values", {Json::object()}}};
  const Json at = {{"datum", kLn2}, {"type", "quantitative"}, {"scale", y["scale"]}};
  layers.push_back({{"data", data},
                    {"mark", {{"type", "rule"}, {"style", "bound"}}},
                    {"encoding", {{"y", at}}}});
  layers.push_back(
      {{"data", data},
       {"mark",
        {{"type", "text"}, {"align", "left"}, {"dy", -8}, {"style", "words"}, {"text", "ln 2"}}},
       {"encoding", {{"y", at}, {"x", {{"value", 4}}}}}});
}

// The paper's noise is on weights of the model itself, as E3's is.
std::vector<PaperMark> marks_beside(const std::vector<Json>& groups, const std::string& metric) {
  const bool beside = std::any_of(groups.begin(), groups.end(), [](const Json& group) {
    return text(group, "study") == "E3" && text(group, "locus") == "theta";
  });
  return beside ? paper_intensities(metric) : std::vector<PaperMark>{};
}

Json intensity_layers(const Json& x, const Json& y, bool bounded) {
  const Json line = {{"x", x},
                     {"y", y},
                     {"color", locus_color()},
                     {"detail", {{"field", "series"}, {"type", "nominal"}}}};
  const Json span = with(line, {{"y", with(y, {{"field", "lo"}})}, {"y2", {{"field", "hi"}}}});
  const Json dot = with(line, {{"tooltip", tooltip({"what", "mean", "interval", "seeds"})}});
  Json layers = Json::array();
  layers.push_back({{"mark", {{"type", "area"}, {"opacity", 0.18}}}, {"encoding", span}});
  layers.push_back({{"mark", {{"type", "rule"}, {"strokeWidth", 1.5}}}, {"encoding", span}});
  layers.push_back({{"mark", {{"type", "line"}, {"strokeWidth", 2}}}, {"encoding", line}});
  layers.push_back(
      {{"mark", {{"type", "point"}, {"filled", true}, {"size", 56}}}, {"encoding", dot}});
  if (bounded) push_bound(layers, y);
  return layers;
}

}  // namespace

std::vector<Json> intensities(const Panel& panel) {
  std::vector<Json> out;
  for (const Json& group : panel.groups) {
    // A planted leak has a size too, but it is a test of the instruments, not an intensity.
    if (text(group, "mechanism") != "noise" || figure(group, "alpha").value_or(0) <= 0) continue;
    const bool seen = std::any_of(out.begin(), out.end(), [&](const Json& other) {
      return text(other, "locus") == text(group, "locus") &&
             text(other, "mechanism") == text(group, "mechanism") &&
             figure(other, "alpha") == figure(group, "alpha");
    });
    if (!seen) out.push_back(group);
  }
  return out;
}

Json intensity_spec(const std::vector<Json>& groups, const std::string& metric) {
  const bool bounded = metric == "js_adapt";
  double least = 1, greatest = 0, alpha_least = 1e300, alpha_greatest = 0;
  Json ticks = Json::array();
  for (const Json& group : groups) {
    const double alpha = figure(group, "alpha").value_or(1);
    alpha_least = std::min(alpha_least, alpha);
    alpha_greatest = std::max(alpha_greatest, alpha);
    if (std::find(ticks.begin(), ticks.end(), Json(alpha)) == ticks.end()) ticks.push_back(alpha);
    for (const char* key : {"mean", "lo", "hi"}) {
      const double value = figure(member(group, metric), key).value_or(0);
      if (value > 0) least = std::min(least, value);
      greatest = std::max(greatest, value);
    }
  }
  const std::vector<PaperMark> marks = marks_beside(groups, metric);
  for (const PaperMark& mark : marks) {
    alpha_least = std::min(alpha_least, mark.at);
    alpha_greatest = std::max(alpha_greatest, mark.at);
    if (std::find(ticks.begin(), ticks.end(), Json(mark.at)) == ticks.end()) {
      ticks.push_back(mark.at);
    }
    least = std::min(least, mark.y);
    greatest = std::max(greatest, mark.y);
  }
  std::sort(ticks.begin(), ticks.end());
  const double floor = decade_below(least);
  const double top = bounded ? 1 : std::max(greatest * 1.5, floor * 10);
  const Json y = {{"field", "y"},
                  {"type", "quantitative"},
                  {"title", bounded ? "JS, nats" : "KL, nats"},
                  {"scale", {{"type", "log"}, {"domain", {floor, top}}, {"nice", false}}},
                  {"axis", {{"values", decades(floor, top)}, {"labelExpr", kPowerLabel}}}};
  const Json x = {
      {"field", "alpha"},
      {"type", "quantitative"},
      {"title", "Mutation intensity \u03b1"},
      {"scale",
       {{"type", "log"}, {"domain", {alpha_least / 1.4, alpha_greatest * 1.4}}, {"nice", false}}},
      {"axis",
       {{"values", ticks},
        {"labelExpr", kPowerLabel},
        {"labelOverlap", "greedy"},
        {"grid", false}}}};
  Json layers = intensity_layers(x, y, bounded);
  if (!marks.empty()) layers.push_back(paper_layer(marks, x, y));
  return {{"description", bounded ? "Jensen-Shannon divergence against mutation intensity"
                                  : "Kullback-Leibler divergence against mutation intensity"},
          {"width", "container"},
          {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
          {"height", 260},
          {"data", {{"values", intensity_values(groups, metric, floor)}}},
          {"layer", std::move(layers)}};
}

}  // namespace palinode::experiments::report
