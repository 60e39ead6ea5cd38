// Many errors as three figures.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

namespace palinode::experiments::precision {

// Errors in units of u = 2^-24, of whatever the caller measures them against.
class Errors {
 public:
  void add(double error) { values_.push_back(error); }
  // {"max", "rms", "p999"}: the largest, the root of the mean square, and the one that a thousandth
  // of them are above. Infinite ones are written "inf".
  nlohmann::ordered_json json() const;
  double max() const;

 private:
  std::vector<double> values_;
};

// A number, or "inf", "-inf", "nan", which JSON has no numbers for.
nlohmann::ordered_json json_number(double x);

}  // namespace palinode::experiments::precision
