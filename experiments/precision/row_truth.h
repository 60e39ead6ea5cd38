// The f64 truth about kernels of rows (rows.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace palinode::experiments::precision {

// Exact values, what scaled errors are relative to, and the largest bound of any row.
struct RowTruth {
  std::vector<double> exact, scale;
  double bound = 0;
  bool bound_is_scaled = false;
};

using In = std::span<const float>;

RowTruth softmax_truth(In x, std::size_t rows, std::size_t cols);
RowTruth cross_entropy_truth(In x, std::size_t rows, std::size_t cols,
                             std::span<const std::int32_t> labels);
RowTruth layer_norm_truth(In x, std::size_t rows, std::size_t cols, double eps);
// One head: q, k, v and out [rows, dim], every row sees all others.
RowTruth attention_truth(In q, In k, In v, std::size_t rows, std::size_t dim, double scale);

}  // namespace palinode::experiments::precision
