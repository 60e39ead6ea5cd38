// Point: one figure of a study that is no row: a point of a curve, or a count. Curves are points of
// one series over seeds.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "experiments/results/statistics.h"

namespace palinode::experiments {

struct Point {
  std::string study, model, data;
  std::string series;    // what the curve is of: "global lr 0.004", "theta parameter-noise"
  std::string variable;  // what is swept, one thing only: "eps", "sigma", "steps"; empty: nothing
  double at = 0;         // its value
  std::string quantity;  // what is measured: "kl", "rf", "svar", "violations"
  std::uint64_t seed = 0;
  double value = 0;  // may be infinite, or NaN for "undefined"
};

nlohmann::ordered_json point_json(const Point& point);
// Throws FormatError naming the field that is missing or not of its type.
Point point_from_json(const nlohmann::ordered_json& json);

// All seeds of one point of a curve.
struct CurvePoint {
  std::vector<const Point*> points;  // in the order of their seeds
  std::size_t undefined = 0;         // how many of them are NaN
  Summary summary;                   // of the others; all NaN if there is none

  const Point& first() const { return *points.front(); }
};

// In the order in which the first of each stands.
std::vector<CurvePoint> curves_of(std::span<const Point> points);
nlohmann::ordered_json curve_json(const CurvePoint& point);

}  // namespace palinode::experiments
