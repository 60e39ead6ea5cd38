#include "experiments/precision/errors.h"

#include <algorithm>
#include <cmath>

namespace palinode::experiments::precision {

nlohmann::ordered_json json_number(double x) {
  if (std::isfinite(x)) return x;
  return std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

double Errors::max() const {
  return values_.empty() ? 0 : *std::max_element(values_.begin(), values_.end());
}

nlohmann::ordered_json Errors::json() const {
  double squares = 0;
  for (const double value : values_) squares += value * value;
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  const auto place = static_cast<std::size_t>(std::ceil(0.999 * n));
  return {{"max", json_number(max())},
          {"rms", json_number(n > 0 ? std::sqrt(squares / n) : 0)},
          {"p999", json_number(sorted.empty() ? 0 : sorted[std::max<std::size_t>(place, 1) - 1])}};
}

}  // namespace palinode::experiments::precision
