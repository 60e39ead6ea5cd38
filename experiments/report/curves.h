// The curves of the studies: what is drawn of them, and the tables that have every number.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/html.h"

namespace palinode::experiments::report {

// Curves of one study, variable and quantity, and of one model (of all, where the variable is their
// size).
struct CurveSet {
  std::string study, model, variable, quantity;
  std::vector<Json> points;  // of "curves", in their order

  std::vector<std::string> series() const;  // in the order of their first point
  std::vector<double> places() const;       // ascending
};

std::vector<CurveSet> curve_sets(const Json& curves, const std::string& study);

// Whether the page draws it, or leaves it to the table.
bool is_drawn(const CurveSet& set);

// Lines with their intervals; of "sensitivity" a heat map. RF below -1 is drawn at -1.
Json curve_spec(const CurveSet& set);

// "kl against eps, digits-mlp"; of more than twelve places it says how many the table has.
std::string curve_title(const CurveSet& set);

// A line for each series, a column for each place: mean and interval. Of more than twelve places
// some are left out, evenly. Curves without a variable have one column.
std::string curve_table(const CurveSet& set);

}  // namespace palinode::experiments::report
