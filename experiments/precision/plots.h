// The plots of the laboratory as Vega-Lite specifications.
#pragma once

#include "experiments/report/html.h"

namespace palinode::experiments::precision {

// Precision against speed: one point for each contender of a row of "unary", "reductions" or
// "products", with its name beside it. Ours has the first color.
report::Json front_spec(const report::Json& row);

// The largest forward error of sums against their condition, a line for each contender.
report::Json condition_spec(const report::Json& row);

}  // namespace palinode::experiments::precision
