// Means, medians and bootstrap intervals over seeds.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace palinode::experiments {

// lo and hi are the percentile bootstrap 95 % interval of the mean (Efron 1979; 10,000 resamples of
// whole seeds).
struct Summary {
  double mean = 0, median = 0, lo = 0, hi = 0;
};

// Throws ShapeError for no values. `name` keys the resampling, so each figure has its own,
// repeatable draws.
Summary summarize(std::span<const double> values, std::string_view name);

// The hierarchical bootstrap: whole seeds are drawn, and for each of them one of its `inner`
// values, the same figure on resampled probes. Mean and median are those of `values`. Throws
// ShapeError unless each value has inner values.
Summary summarize_nested(std::span<const double> values, std::span<const std::vector<double>> inner,
                         std::string_view name);

// Two-sided p of the mean of paired differences being 0, from the same resamples of whole seeds:
// twice the smaller share of resampled means on one side of 0, counting the sample itself once
// (Davison and Hinkley 1997, section 4.2). At least 2 / 10,001; 1 if all differences are 0.
double bootstrap_p(std::span<const double> differences, std::string_view name);

// Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): a hypothesis is
// rejected at the level of the whole family if its adjusted p is below it.
std::vector<double> holm(std::span<const double> p);

// The slope of y on x, least squares. Throws ShapeError unless there are two different x.
double slope(std::span<const double> x, std::span<const double> y);

}  // namespace palinode::experiments
