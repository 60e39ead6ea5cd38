#include "experiments/results/point.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "experiments/results/row.h"
#include "tensor/error.h"

namespace palinode::experiments {

using nlohmann::ordered_json;

ordered_json point_json(const Point& p) {
  ordered_json j;
  j["study"] = p.study;
  j["model"] = p.model;
  j["data"] = p.data;
  j["series"] = p.series;
  j["variable"] = p.variable;
  j["at"] = json_number(p.at);
  j["quantity"] = p.quantity;
  j["seed"] = p.seed;
  j["value"] = json_number(p.value);
  return j;
}

Point point_from_json(const ordered_json& json) {
  const auto field = [&json](const char* name) -> const ordered_json& {
    const auto found = json.is_object() ? json.find(name) : json.end();
    if (found == json.end()) throw FormatError(fmt::format("point: \"{}\" is missing", name));
    return *found;
  };
  const auto text = [&field](const char* name) {
    const ordered_json& j = field(name);
    if (!j.is_string()) throw FormatError(fmt::format("point: \"{}\" is not a string", name));
    return j.get<std::string>();
  };
  if (!field("seed").is_number_unsigned()) throw FormatError("point: \"seed\" is not a count");
  return {.study = text("study"),
          .model = text("model"),
          .data = text("data"),
          .series = text("series"),
          .variable = text("variable"),
          .at = number_from_json(field("at"), "at"),
          .quantity = text("quantity"),
          .seed = field("seed").get<std::uint64_t>(),
          .value = number_from_json(field("value"), "value")};
}

std::vector<CurvePoint> curves_of(std::span<const Point> points) {
  using Key = std::tuple<std::string, std::string, std::string, std::string, std::string, double,
                         std::string>;
  std::map<Key, std::size_t> places;
  std::vector<CurvePoint> curves;
  for (const Point& p : points) {
    const auto [place, added] = places.try_emplace(
        Key(p.study, p.model, p.data, p.series, p.variable, p.at, p.quantity), curves.size());
    if (added) curves.emplace_back();
    curves[place->second].points.push_back(&p);
  }
  for (CurvePoint& curve : curves) {
    std::vector<double> values;
    for (const Point* p : curve.points) {
      if (!std::isnan(p->value)) values.push_back(p->value);
    }
    curve.undefined = curve.points.size() - values.size();
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    curve.summary = values.empty() ? Summary{kNan, kNan, kNan, kNan}
                                   : summarize(values, curve.first().quantity);
  }
  return curves;
}

ordered_json curve_json(const CurvePoint& curve) {
  const Point& p = curve.first();
  ordered_json j;
  j["study"] = p.study;
  j["model"] = p.model;
  j["data"] = p.data;
  j["series"] = p.series;
  j["variable"] = p.variable;
  j["at"] = json_number(p.at);
  j["quantity"] = p.quantity;
  j["n"] = curve.points.size();
  j["undefined"] = curve.undefined;
  j["mean"] = json_number(curve.summary.mean);
  j["median"] = json_number(curve.summary.median);
  j["lo"] = json_number(curve.summary.lo);
  j["hi"] = json_number(curve.summary.hi);
  return j;
}

}  // namespace palinode::experiments
