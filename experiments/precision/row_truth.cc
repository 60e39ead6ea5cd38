#include "experiments/precision/row_truth.h"

#include <algorithm>
#include <cmath>

namespace palinode::experiments::precision {
namespace {

// The roundings of a sum of n values by 64 lanes.
double lane_roundings(std::size_t n) {
  return std::ceil(static_cast<double>(std::min<std::size_t>(n, 4096)) / 64) + 5;
}

std::vector<double> widened(In x) { return {x.begin(), x.end()}; }

struct Softmax {
  std::vector<double> p;
  double max = 0, total = 0, range = 0;
};

Softmax softmax_of(std::span<const double> x) {
  Softmax row{{x.begin(), x.end()}};
  row.max = *std::max_element(x.begin(), x.end());
  row.range = row.max - *std::min_element(x.begin(), x.end());
  for (double& value : row.p) {
    value = std::exp(value - row.max);
    row.total += value;
  }
  for (double& value : row.p) value /= row.total;
  return row;
}

double largest(std::span<const double> x) {
  double size = 0;
  for (const double value : x) size = std::max(size, std::abs(value));
  return size;
}

}  // namespace

RowTruth softmax_truth(In x, std::size_t rows, std::size_t cols) {
  RowTruth truth;
  for (std::size_t i = 0; i < rows; ++i) {
    const Softmax row = softmax_of(widened(x.subspan(i * cols, cols)));
    truth.exact.insert(truth.exact.end(), row.p.begin(), row.p.end());
    truth.scale.insert(truth.scale.end(), cols, largest(row.p));
    truth.bound = std::max(truth.bound, 2 * row.range + lane_roundings(cols) + 3);
  }
  return truth;
}

RowTruth cross_entropy_truth(In x, std::size_t rows, std::size_t cols,
                             std::span<const std::int32_t> labels) {
  RowTruth truth;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::vector<double> wide = widened(x.subspan(i * cols, cols));
    const Softmax row = softmax_of(wide);
    const double d = wide[static_cast<std::size_t>(labels[i])] - row.max;
    const double log_total = std::log(row.total), loss = log_total - d;
    truth.exact.push_back(loss);
    truth.scale.push_back(std::abs(log_total) + std::abs(d));
    truth.bound = std::max(truth.bound, (row.range + 1 + lane_roundings(cols) +
                                         std::abs(log_total) + std::abs(d) + std::abs(loss)) /
                                            std::abs(loss));
  }
  return truth;
}

RowTruth layer_norm_truth(In x, std::size_t rows, std::size_t cols, double eps) {
  RowTruth truth;
  truth.bound_is_scaled = true;
  const auto n = static_cast<double>(cols);
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> y = widened(x.subspan(i * cols, cols));
    double mean = 0, size = 0, squares = 0;
    for (const double value : y) {
      mean += value / n;
      size += std::abs(value) / n;
    }
    for (double& value : y) {
      value -= mean;
      squares += value * value;
    }
    const double rstd = 1 / std::sqrt(squares / n + eps);
    for (double& value : y) value *= rstd;
    truth.exact.insert(truth.exact.end(), y.begin(), y.end());
    truth.scale.insert(truth.scale.end(), cols, largest(y));
    const double h = lane_roundings(cols);
    truth.bound = std::max(truth.bound, (h + 1) * size * rstd / largest(y) + (h + 5) / 2 + 6);
  }
  return truth;
}

RowTruth attention_truth(In q, In k, In v, std::size_t rows, std::size_t dim, double scale) {
  RowTruth truth;
  truth.bound_is_scaled = true;
  const std::vector<double> wide_q = widened(q), wide_k = widened(k), wide_v = widened(v);
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> scores(rows), exact(dim), sizes(dim);
    double steepest = 0;
    for (std::size_t j = 0; j < rows; ++j) {
      double size = 0;
      for (std::size_t p = 0; p < dim; ++p) {
        const double product = wide_q[i * dim + p] * wide_k[j * dim + p];
        scores[j] += scale * product;
        size += scale * std::abs(product);
      }
      steepest = std::max(steepest, size);
    }
    const Softmax row = softmax_of(scores);
    for (std::size_t j = 0; j < rows; ++j) {
      for (std::size_t p = 0; p < dim; ++p) {
        exact[p] += row.p[j] * wide_v[j * dim + p];
        sizes[p] += row.p[j] * std::abs(wide_v[j * dim + p]);
      }
    }
    truth.exact.insert(truth.exact.end(), exact.begin(), exact.end());
    truth.scale.insert(truth.scale.end(), sizes.begin(), sizes.end());
    truth.bound = std::max(truth.bound, 2 * row.range + lane_roundings(rows) + 3 +
                                            2 * steepest * static_cast<double>(dim + 1) +
                                            static_cast<double>(rows));
  }
  return truth;
}

}  // namespace palinode::experiments::precision
