// Means, medians and bootstrap intervals over seeds.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace palinode::experiments {

// lo and hi are the percentile bootstrap 95 % interval of the mean (Efron 1979; 10,000 resamples of
// whole seeds).
struct Summary {
  double mean = 0, median = 0, lo = 0, hi = 0;
};

// Throws ShapeError for no values. `name` keys the resampling, so each figure has its own,
// repeatable draws.
Summary summarize(std::span<const double> values, std::string_view name);

}  // namespace palinode::experiments
