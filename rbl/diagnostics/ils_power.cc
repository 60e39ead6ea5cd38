#include "rbl/diagnostics/ils_power.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/op_spec.h"
#include "rbl/diagnostics/ils.h"
#include "rbl/diagnostics/sampled_run.h"
#include "tensor/error.h"

namespace palinode::rbl {
namespace {

struct Scores {
  std::vector<double> means, maxima;
};

// Scores of one pair of functions, `repeats` times. What is not sampled is compared once: it would
// not come out differently.
Scores repeated(const Tensor& before, const Tensor& after, const PowerConfig& config,
                const Rng& rng) {
  Scores scores;
  for (std::size_t r = 0; r < config.repeats; ++r) {
    if (config.draws == 0 && r > 0) {
      scores.means.push_back(scores.means.front());
      scores.maxima.push_back(scores.maxima.front());
      continue;
    }
    const Rng stream = rng.stream(r);
    const auto seen = [&](const Tensor& log_p, std::string_view which) {
      return config.draws == 0 ? log_p : sampled_outputs(log_p, config.draws, stream.stream(which));
    };
    const Ils found = ils(js_divergence(seen(before, "before"), seen(after, "after")), 0);
    scores.means.push_back(found.mean);
    scores.maxima.push_back(found.max);
  }
  return scores;
}

Rate above(double tau, const std::vector<double>& scores) {
  return detection_rate(tau, scores.size(), [&](std::uint64_t r) { return scores[r]; });
}

NullDistribution null_of(const std::string& source, const std::vector<double>& scores) {
  return null_distribution(source, scores.size(), [&](std::uint64_t r) { return scores[r]; });
}

}  // namespace

NullDistribution null_distribution(std::string source, std::size_t repeats,
                                   FunctionRef<double(std::uint64_t)> score) {
  NullDistribution null{.source = std::move(source), .scores = {}};
  for (std::uint64_t r = 0; r < repeats; ++r) {
    null.scores.push_back(score(r));
    if (std::isnan(null.scores.back())) {
      throw NonFiniteError(fmt::format("null of {}: score {} is NaN", null.source, r));
    }
  }
  std::ranges::sort(null.scores);
  return null;
}

double calibrated_tau(const NullDistribution& null, double false_positives) {
  if (!(false_positives > 0 && false_positives < 1)) {
    throw ShapeError(
        fmt::format("tau: a false positive rate is inside (0, 1), got {}", false_positives));
  }
  const auto n = static_cast<double>(null.scores.size());
  const double rank = std::ceil((1 - false_positives) * (n + 1));
  if (rank > n) {
    throw ShapeError(fmt::format("tau: {} repeats can't calibrate a false positive rate of {}",
                                 null.scores.size(), false_positives));
  }
  return null.scores[static_cast<std::size_t>(rank) - 1];
}

Rate detection_rate(double tau, std::size_t trials, FunctionRef<double(std::uint64_t)> score) {
  std::size_t hits = 0;
  for (std::uint64_t r = 0; r < trials; ++r) hits += score(r) > tau ? 1 : 0;
  return wilson(hits, trials);
}

std::vector<RocPoint> roc(const NullDistribution& null, std::span<const double> leaked,
                          std::span<const double> false_positives) {
  if (leaked.empty()) throw ShapeError(fmt::format("ROC against {}: no scores", null.source));
  std::vector<RocPoint> curve;
  for (const double rate : false_positives) {
    const double tau = calibrated_tau(null, rate);
    const auto found = std::ranges::count_if(leaked, [tau](double score) { return score > tau; });
    curve.push_back({rate, static_cast<double>(found) / static_cast<double>(leaked.size())});
  }
  return curve;
}

double roc_area(const NullDistribution& null, std::span<const double> leaked) {
  if (null.scores.empty() || leaked.empty()) {
    throw ShapeError(fmt::format("ROC against {}: {} scores of the null and {} of the leak",
                                 null.source, null.scores.size(), leaked.size()));
  }
  // Twice the pairs won: a tie is one, so the sum is a whole number and exact.
  std::uint64_t won = 0;
  for (const double score : leaked) {
    const auto begin = null.scores.begin();
    const auto below = std::ranges::lower_bound(null.scores, score) - begin;
    const auto not_above = std::ranges::upper_bound(null.scores, score) - begin;
    won += static_cast<std::uint64_t>(below + not_above);
  }
  const auto pairs = static_cast<double>(null.scores.size()) * static_cast<double>(leaked.size());
  return static_cast<double>(won) / (2 * pairs);
}

Tensor plant_leak(const Tensor& log_p, std::size_t probe, double size) {
  const Shape& shape = log_p.shape();
  if (shape.rank() != 2 || shape.last() < 2 || probe >= shape[0]) {
    throw ShapeError(fmt::format("plant_leak: probe {} of {}; needs [probes, classes]", probe,
                                 log_p.describe()));
  }
  if (size == 0) return log_p;
  const std::size_t classes = shape[1];
  const std::span<const double> all = log_p.values<double>();
  const std::span<const double> row = all.subspan(probe * classes, classes);
  std::vector<double> moved(row.begin(), row.end());
  *std::ranges::max_element(moved) -= size;
  const Tensor leaked = log_probabilities(Tensor::from<double>(moved, {1, classes}));
  return filled<double>(shape, [&](std::span<double> out) {
    std::ranges::copy(all, out.begin());
    std::ranges::copy(leaked.values<double>(), out.subspan(probe * classes, classes).begin());
  });
}

PowerCurve ils_power(const Tensor& log_p, std::span<const double> sizes,
                     FunctionRef<Tensor(double)> leaked, const PowerConfig& config,
                     const Rng& rng) {
  const std::string source =
      config.draws == 0
          ? "none: outputs are bit-reproducible"
          : fmt::format("{} sampled answers for each probe, Philox seed {}, stream {}",
                        config.draws, rng.seed(), rng.name());
  const Scores null = repeated(log_p, log_p, config, rng.stream("null"));
  PowerCurve curve{.null_mean = null_of(source, null.means),
                   .null_max = null_of(source, null.maxima)};
  curve.tau_mean = calibrated_tau(curve.null_mean, config.false_positives);
  curve.tau_max = calibrated_tau(curve.null_max, config.false_positives);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Tensor after = leaked(sizes[i]);
    const Scores scores = repeated(log_p, after, config, rng.stream("leak").stream(i));
    curve.leaks.push_back({.size = sizes[i],
                           .kl = kl_divergence(log_p, after).mean,
                           .by_mean = above(curve.tau_mean, scores.means),
                           .by_max = above(curve.tau_max, scores.maxima),
                           .means = scores.means,
                           .maxima = scores.maxima});
  }
  return curve;
}

}  // namespace palinode::rbl
