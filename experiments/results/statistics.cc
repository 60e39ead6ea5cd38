#include "experiments/results/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
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

// Means of resamples of whole seeds, ascending; value_of(seed, draw) is what a seed gives in a
// draw.
template <class ValueOf>
std::vector<double> resampled_means(std::size_t seeds, std::string_view name, ValueOf value_of) {
  const Rng rng = Rng(0).stream("bootstrap").stream(name);
  std::vector<double> means(kResamples), draw(seeds);
  for (std::size_t r = 0; r < kResamples; ++r) {
    for (std::size_t i = 0; i < seeds; ++i) {
      const std::uint64_t place = r * seeds + i;
      draw[i] = value_of(rng.below(place, seeds), place);
    }
    means[r] = mean_of(draw);
  }
  std::ranges::sort(means);
  return means;
}

Summary centre(std::span<const double> values) {
  if (values.empty()) throw ShapeError("summarize: no values");
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  return {mean_of(values), quantile(sorted, 0.5), sorted.front(), sorted.back()};
}

void set_interval(Summary& summary, std::span<const double> means) {
  summary.lo = quantile(means, 0.025);
  summary.hi = quantile(means, 0.975);
}

}  // namespace

Summary summarize(std::span<const double> values, std::string_view name) {
  Summary summary = centre(values);
  if (summary.lo == summary.hi) return summary;  // no spread to resample
  set_interval(summary, resampled_means(values.size(), name,
                                        [&values](std::size_t i, auto) { return values[i]; }));
  return summary;
}

Summary summarize_nested(std::span<const double> values, std::span<const std::vector<double>> inner,
                         std::string_view name) {
  Summary summary = centre(values);
  if (inner.size() != values.size()) throw ShapeError("summarize_nested: not one list for each");
  for (const std::vector<double>& list : inner) {
    if (list.empty()) throw ShapeError("summarize_nested: a seed without inner values");
    for (const double value : list) {
      summary.lo = std::min(summary.lo, value);
      summary.hi = std::max(summary.hi, value);
    }
  }
  if (summary.lo == summary.hi) return summary;
  const Rng which = Rng(0).stream("bootstrap/inner").stream(name);
  set_interval(summary,
               resampled_means(values.size(), name, [&](std::size_t i, std::uint64_t place) {
                 return inner[i][which.below(place, inner[i].size())];
               }));
  return summary;
}

double bootstrap_p(std::span<const double> differences, std::string_view name) {
  if (std::ranges::all_of(differences, [](double d) { return d == 0; })) return 1;
  const std::vector<double> means = resampled_means(
      differences.size(), name, [&differences](std::size_t i, auto) { return differences[i]; });
  const auto count = [&means](auto side) {
    return static_cast<double>(std::ranges::count_if(means, side) + 1);
  };
  const double least =
      std::min(count([](double m) { return m <= 0; }), count([](double m) { return m >= 0; }));
  return std::min(1.0, 2 * least / static_cast<double>(kResamples + 1));
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&p](std::size_t i) { return p[i]; });
  std::vector<double> adjusted(p.size());
  double least = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    least = std::max(least, std::min(1.0, static_cast<double>(p.size() - k) * p[order[k]]));
    adjusted[order[k]] = least;
  }
  return adjusted;
}

double slope(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size() || x.size() < 2) throw ShapeError("slope: two points at least");
  const double mean_x = mean_of(x), mean_y = mean_of(y);
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx = xx + (x[i] - mean_x) * (x[i] - mean_x);
    xy = xy + (x[i] - mean_x) * (y[i] - mean_y);
  }
  if (xx == 0) throw ShapeError("slope: all x are equal");
  return xy / xx;
}

}  // namespace palinode::experiments
