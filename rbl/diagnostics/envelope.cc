#include "rbl/diagnostics/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/reduce.h"

namespace palinode::rbl {

double quantile(std::span<const double> ascending, double share) {
  PALINODE_ASSERT(!ascending.empty() && share >= 0 && share <= 1);
  const double place = share * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  const double part = place - static_cast<double>(below);
  // Not only a shortcut: an infinity takes part in no difference that would make it NaN.
  if (part == 0 || ascending[below] == ascending[above]) return ascending[below];
  return ascending[below] + part * (ascending[above] - ascending[below]);
}

Envelope envelope(std::span<const double> values) {
  if (values.empty()) throw ShapeError("envelope: needs at least one value, got none");
  std::vector<double> sorted(values.begin(), values.end());
  for (const double value : sorted) {
    if (std::isnan(value)) throw NonFiniteError("envelope: a value is NaN");
  }
  std::ranges::sort(sorted);
  return {.draws = values.size(),
          .mean = kernels::sum<double>(values) / static_cast<double>(values.size()),
          .lowest = sorted.front(),
          .q05 = quantile(sorted, 0.05),
          .q25 = quantile(sorted, 0.25),
          .median = quantile(sorted, 0.5),
          .q75 = quantile(sorted, 0.75),
          .q95 = quantile(sorted, 0.95),
          .highest = sorted.back()};
}

Rate wilson(std::size_t hits, std::size_t trials) {
  if (trials == 0 || hits > trials) {
    throw ShapeError(fmt::format("wilson: {} hits in {} trials", hits, trials));
  }
  constexpr double kZ = 1.959963984540054;  // the normal quantile of 0.975
  const double n = static_cast<double>(trials);
  const double p = static_cast<double>(hits) / n;
  const double z2 = kZ * kZ;
  const double middle = p + z2 / (2 * n);
  const double half = kZ * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  const double scale = 1 + z2 / n;
  // At its ends the interval touches 0 and 1, which rounding would miss.
  return {hits, trials, p, hits == 0 ? 0 : (middle - half) / scale,
          hits == trials ? 1 : (middle + half) / scale};
}

}  // namespace palinode::rbl
