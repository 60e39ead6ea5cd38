#include "nn/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::nn {
namespace {

void check(const Tensor& logits, const Sampling& sampling) {
  if (logits.empty() || logits.shape().rows() != 1) {
    throw ShapeError(fmt::format("sample: needs one row of logits, got {}", logits.describe()));
  }
  const bool good = sampling.temperature >= 0 && std::isfinite(sampling.temperature) &&
                    sampling.top_p > 0 && sampling.top_p <= 1;
  if (good) return;
  throw ShapeError(fmt::format(
      "sample: needs a temperature from 0 and top_p in (0, 1], got temperature {}, top_p {}",
      sampling.temperature, sampling.top_p));
}

// The first place whose running sum is at least `least`, or above it; the last place if none.
std::size_t place_of(const std::vector<double>& sums, double least, bool above) {
  const auto found =
      above ? std::ranges::upper_bound(sums, least) : std::ranges::lower_bound(sums, least);
  const auto place = static_cast<std::size_t>(found - sums.begin());
  return std::min(place, sums.size() - 1);
}

}  // namespace

std::int32_t sample(const Tensor& logits, const Sampling& sampling, double u) {
  check(logits, sampling);
  const Tensor wide = logits.compact().to(Dtype::kF64);
  const std::span<const double> values = wide.values<double>();
  std::vector<std::int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto value = [&](std::int32_t token) { return values[static_cast<std::size_t>(token)]; };
  if (std::ranges::any_of(values, [](double x) { return std::isnan(x); })) {
    throw NonFiniteError("sample: a logit is NaN");
  }
  std::ranges::stable_sort(order, [&](auto a, auto b) { return value(a) > value(b); });
  const double largest = value(order.front());
  if (std::isinf(largest)) throw NonFiniteError("sample: the largest logit is infinite");
  if (sampling.temperature == 0) return order.front();
  if (sampling.top_k != 0) order.resize(std::min(order.size(), sampling.top_k));

  std::vector<double> sums(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sums[i] = (value(order[i]) - largest) / sampling.temperature;
  }
  kernels::exp(std::span<const double>(sums), std::span<double>(sums));
  std::partial_sum(sums.begin(), sums.end(), sums.begin());
  if (sampling.top_p < 1) sums.resize(place_of(sums, sampling.top_p * sums.back(), false) + 1);
  return order[place_of(sums, u * sums.back(), true)];
}

}  // namespace palinode::nn
