// The best approximation of a matrix by one of low rank.
#pragma once

#include <cstddef>
#include <vector>

namespace palinode::rbl {

// f64 [rows, cols], column by column.
struct Matrix {
  std::size_t rows = 0, cols = 0;
  std::vector<double> values;

  double& at(std::size_t r, std::size_t c) { return values[c * rows + r]; }
  double at(std::size_t r, std::size_t c) const { return values[c * rows + r]; }
};

// Columns of two matrices whose products left[k] right[k]^T add up to the matrix, the largest
// first; `singular` are their norms.
struct SingularParts {
  Matrix left, right;
  std::vector<double> singular;
};

// Singular values and vectors (Eckart and Young 1936), by one-sided Jacobi rotations in a fixed
// order (Hestenes 1958), so the bits are the same everywhere; every sum runs over rows ascending.
// Values must be finite.
SingularParts singular_parts(const Matrix& matrix);

struct LowRankPart {
  Matrix matrix;                 // U S V^T with the `rank` largest singular values only
  std::vector<double> singular;  // all of them, the largest first
};

LowRankPart low_rank_part(const Matrix& matrix, std::size_t rank);

}  // namespace palinode::rbl
