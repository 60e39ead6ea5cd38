#include "rbl/diagnostics/svar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::rbl {
namespace {

void check(std::string_view axis, const SvarConfig& config) {
  if (config.draws == 0) throw ShapeError(fmt::format("svar: {}: needs draws, got 0", axis));
  double before = 0;
  for (const double size : config.sizes) {
    if (!(size > before)) {
      throw ShapeError(fmt::format("svar: {}: sizes are positive and ascend, got {} after {}", axis,
                                   size, before));
    }
    before = size;
  }
}

double slope_of(const std::vector<SvarPoint>& points) {
  double xy = 0, xx = 0;
  for (const SvarPoint& point : points) {
    xy = xy + point.size * point.envelope.mean;
    xx = xx + point.size * point.size;
  }
  return xx > 0 ? xy / xx : 0;
}

double log_of(double x) {
  std::array<double, 1> y;
  kernels::log(std::array<double, 1>{x}, y);
  return y[0];
}

std::optional<double> order_of(const std::vector<SvarPoint>& points) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const SvarPoint& point : points) {
    const double mean = point.envelope.mean;
    if (!(mean > 0) || std::isinf(mean)) continue;
    const double u = log_of(point.size), v = log_of(mean);
    n = n + 1;
    x = x + u;
    y = y + v;
    xx = xx + u * u;
    xy = xy + u * v;
  }
  if (n < 2) return std::nullopt;
  return (n * xy - x * y) / (n * xx - x * x);
}

}  // namespace

double Svar::largest() const {
  double largest = 0;
  for (const SvarPoint& point : points) largest = std::max(largest, point.envelope.highest);
  return largest;
}

Svar svar(std::string axis, const Tensor& adapted, const Tensor& base, const SvarConfig& config,
          Perturbed perturbed) {
  check(axis, config);
  const Tensor none = log_probabilities(perturbed(0, 0));
  const double at_0 = kl_divergence(adapted, none).mean;
  if (at_0 != 0 || !same_bits(adapted, none)) {
    throw Error(fmt::format(
        "svar: {}: the function perturbed by nothing is {:.3g} nats from the adapted one; every "
        "output bit should be the same",
        axis, at_0));
  }
  Svar result{.axis = std::move(axis), .points = {}, .order = std::nullopt};
  result.reference_code_at_0 = kl_divergence(base, none).mean;
  for (const double size : config.sizes) {
    SvarPoint point{.size = size, .draws = {}, .envelope = {}, .reference_code = {}};
    std::vector<double> from_base;
    for (std::uint64_t draw = 0; draw < config.draws; ++draw) {
      const Tensor seen = log_probabilities(perturbed(size, draw));
      point.draws.push_back(kl_divergence(adapted, seen).mean);
      from_base.push_back(kl_divergence(base, seen).mean);
    }
    point.envelope = envelope(point.draws);
    point.reference_code = envelope(from_base);
    result.points.push_back(std::move(point));
  }
  result.slope = slope_of(result.points);
  result.order = order_of(result.points);
  return result;
}

}  // namespace palinode::rbl
