#include "rbl/svd.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

namespace palinode::rbl {
namespace {

constexpr double kOrthogonal = 1e-15;
constexpr int kMostSweeps = 60;  // some ten are usual

Matrix transposed(const Matrix& m) {
  Matrix t{m.cols, m.rows, std::vector<double>(m.values.size())};
  for (std::size_t c = 0; c < m.cols; ++c) {
    for (std::size_t r = 0; r < m.rows; ++r) t.at(c, r) = m.at(r, c);
  }
  return t;
}

std::span<double> column(Matrix& m, std::size_t c) {
  return std::span(m.values).subspan(c * m.rows, m.rows);
}

double dot(std::span<const double> x, std::span<const double> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum = sum + x[i] * y[i];
  return sum;
}

void rotate(std::span<double> x, std::span<double> y, double c, double s) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = x[i], b = y[i];
    x[i] = c * a - s * b;
    y[i] = s * a + c * b;
  }
}

// Makes columns p and q of m orthogonal and does the same to v. Whether there was anything to do.
bool make_orthogonal(Matrix& m, Matrix& v, std::size_t p, std::size_t q) {
  const std::span<double> x = column(m, p), y = column(m, q);
  const double xx = dot(x, x), yy = dot(y, y), xy = dot(x, y);
  if (std::abs(xy) <= kOrthogonal * std::sqrt(xx * yy)) return false;
  const double zeta = (yy - xx) / (2.0 * xy);
  const double size = 1.0 / (std::abs(zeta) + std::sqrt(1.0 + zeta * zeta));
  const double t = zeta < 0 ? -size : size;
  const double c = 1.0 / std::sqrt(1.0 + t * t);
  rotate(x, y, c, c * t);
  rotate(column(v, p), column(v, q), c, c * t);
  return true;
}

Matrix identity(std::size_t n) {
  Matrix v{n, n, std::vector<double>(n * n)};
  for (std::size_t i = 0; i < n; ++i) v.at(i, i) = 1;
  return v;
}

}  // namespace

SingularParts singular_parts(const Matrix& matrix) {
  if (matrix.cols > matrix.rows) {  // rotations are between columns, and fewer are faster
    SingularParts parts = singular_parts(transposed(matrix));
    std::swap(parts.left, parts.right);
    return parts;
  }
  Matrix m = matrix;
  Matrix v = identity(m.cols);
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    bool rotated = false;
    for (std::size_t p = 0; p + 1 < m.cols; ++p) {
      for (std::size_t q = p + 1; q < m.cols; ++q) rotated |= make_orthogonal(m, v, p, q);
    }
    if (!rotated) break;
  }
  std::vector<double> size(m.cols);
  for (std::size_t c = 0; c < m.cols; ++c) {
    const std::span<double> x = column(m, c);
    size[c] = std::sqrt(dot(x, x));
  }
  std::vector<std::size_t> order(m.cols);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return size[a] > size[b]; });
  SingularParts parts{{m.rows, m.cols, {}}, {v.rows, v.cols, {}}, {}};
  for (const std::size_t c : order) {
    parts.singular.push_back(size[c]);
    const std::span<double> us = column(m, c), right = column(v, c);
    parts.left.values.insert(parts.left.values.end(), us.begin(), us.end());
    parts.right.values.insert(parts.right.values.end(), right.begin(), right.end());
  }
  return parts;
}

LowRankPart low_rank_part(const Matrix& matrix, std::size_t rank) {
  const SingularParts parts = singular_parts(matrix);
  LowRankPart part{{matrix.rows, matrix.cols, std::vector<double>(matrix.values.size())},
                   parts.singular};
  for (std::size_t k = 0; k < std::min(rank, parts.singular.size()); ++k) {
    for (std::size_t c = 0; c < matrix.cols; ++c) {
      const double weight = parts.right.at(c, k);
      for (std::size_t r = 0; r < matrix.rows; ++r) {
        part.matrix.at(r, c) = part.matrix.at(r, c) + parts.left.at(r, k) * weight;
      }
    }
  }
  return part;
}

}  // namespace palinode::rbl
