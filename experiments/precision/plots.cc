#include "experiments/precision/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "experiments/report/vega.h"

namespace palinode::experiments::precision {
namespace {

using report::figure;
using report::Json;
using report::text;

constexpr const char* kPlain = "format(datum.value, datum.value >= 1e5 ? '.1~e' : '.3~g')";

Json colors() {
  return {{"field", "whose"},
          {"type", "nominal"},
          {"legend", nullptr},
          {"scale", {{"domain", {"ours", "others"}}}}};
}

Json axis(const char* field, const char* title) {
  return {{"field", field},
          {"type", "quantitative"},
          {"title", title},
          {"scale", {{"type", "log"}, {"nice", false}, {"padding", 26}}},
          {"axis", {{"labelExpr", kPlain}, {"tickCount", 5}, {"labelOverlap", "greedy"}}}};
}

// The error of one contender as the front shows it: ULPs, or rms units of u on uniform inputs.
std::optional<double> error_of(const Json& row, const Json& contender) {
  if (!row.contains("families")) return figure(contender, "max_ulp");
  for (const Json& each : report::list(row["families"][0], "contenders")) {
    if (text(each, "name") == text(contender, "name")) {
      return figure(report::member(each, "backward"), "rms");
    }
  }
  return std::nullopt;
}

Json front_values(const Json& row) {
  Json values = Json::array();
  const bool product = row.contains("size");
  for (const Json& each : report::list(row, "contenders")) {
    const auto error = error_of(row, each);
    const auto speed = figure(each, product ? "gflops" : "ns");
    if (!error || !speed || *error <= 0 || *speed <= 0) continue;
    const bool ours = report::member(each, "ours") == Json(true);
    values.push_back({{"name", text(each, "name")},
                      {"whose", ours ? "ours" : "others"},
                      {"error", *error},
                      {"speed", *speed},
                      {"error, as printed", report::number(error)},
                      {product ? "GFLOP/s" : "ns", report::number(speed)}});
  }
  return values;
}

}  // namespace

Json front_spec(const Json& row) {
  const bool product = row.contains("size"), terms = row.contains("families");
  const Json x = axis("speed", product ? "GFLOP/s, one thread" : "ns an element, one thread");
  const Json y = axis("error", terms ? "rms error, u" : "largest error, ULP");
  const Json where = {{"x", x}, {"y", y}, {"color", colors()}};
  Json point = where, name = where;
  point["tooltip"] = report::tooltip({"name", "error, as printed", product ? "GFLOP/s" : "ns"});
  name["text"] = {{"field", "name"}, {"type", "nominal"}};
  return {
      {"description", fmt::format("{}: precision against speed", text(row, "kernel"))},
      {"width", "container"},
      {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
      {"height", 240},
      {"data", {{"values", front_values(row)}}},
      {"layer",
       {{{"mark", {{"type", "point"}, {"filled", true}, {"size", 70}}}, {"encoding", point}},
        {{"mark",
          {{"type", "text"}, {"dy", -11}, {"fontSize", 11.5}, {"align", "center"}, {"limit", 110}}},
         {"encoding", name}}}}};
}

Json condition_spec(const Json& row) {
  Json values = Json::array();
  for (const Json& family : report::list(row, "families")) {
    const auto condition = figure(family, "condition");
    const std::string name = text(family, "name");
    if (!condition || !(name.starts_with("condition") || name == "positive")) continue;
    for (const Json& each : report::list(family, "contenders")) {
      const auto error = figure(report::member(each, "forward"), "rms");
      if (!error) continue;
      const std::string by = text(each, "name");
      values.push_back({{"name", by},
                        {"whose", by == "Palinode" ? "ours" : "others"},
                        {"condition", *condition},
                        {"error", std::max(*error, 0.01)},
                        {"rms error, u", report::number(error)},
                        {"inputs", name}});
    }
  }
  const Json where = {{"x", axis("condition", "condition of the sum")},
                      {"y", axis("error", "rms forward error, u")},
                      {"color", colors()},
                      {"detail", {{"field", "name"}, {"type", "nominal"}}}};
  Json point = where;
  point["tooltip"] = report::tooltip({"name", "inputs", "rms error, u"});
  return {{"description", fmt::format("{}: forward error against condition", text(row, "kernel"))},
          {"width", "container"},
          {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
          {"height", 320},
          {"data", {{"values", values}}},
          {"layer",
           {{{"mark", {{"type", "line"}, {"strokeWidth", 1.5}}}, {"encoding", where}},
            {{"mark", {{"type", "point"}, {"filled", true}, {"size", 36}}}, {"encoding", point}}}}};
}

}  // namespace palinode::experiments::precision
