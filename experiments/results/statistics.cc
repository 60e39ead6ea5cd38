#include "experiments/results/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/reduce.h"
#include "tensor/rng.h"

namespace palinode::experiments {
namespace {

constexpr std::size_t kResamples = 10000;

double mean_of(std::span<const double> values) {
  return kernels::sum<double>(values) / static_cast<double>(values.size());
}

// The value at a share of the way through sorted values, linear between neighbours.
double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  // Between equal values, of which infinity may be one, or on one, there is nothing to interpolate.
  if (sorted[below] == sorted[above] || place == static_cast<double>(below)) return sorted[below];
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Summary summarize(std::span<const double> values, std::string_view name) {
  if (values.empty()) throw ShapeError("summarize: no values");
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  Summary summary{mean_of(values), quantile(sorted, 0.5), sorted.front(), sorted.front()};
  if (sorted.front() == sorted.back()) return summary;  // no spread to resample

  const Rng rng = Rng(0).stream("bootstrap").stream(name);
  std::vector<double> means(kResamples), draw(values.size());
  for (std::size_t r = 0; r < kResamples; ++r) {
    for (std::size_t i = 0; i < draw.size(); ++i) {
      draw[i] = values[rng.below(r * draw.size() + i, values.size())];
    }
    means[r] = mean_of(draw);
  }
  std::ranges::sort(means);
  summary.lo = quantile(means, 0.025);
  summary.hi = quantile(means, 0.975);
  return summary;
}

}  // namespace palinode::experiments
