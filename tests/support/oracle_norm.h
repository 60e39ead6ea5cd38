// Section 6b of docs/arithmetic.md, and the L2 norm of section 3, once more: one value at a time,
// written from that page alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "tests/support/oracle.h"

namespace palinode::oracle {

template <class T>
T l2_norm(std::span<const T> x) {
  std::vector<double> squares;
  for (const T value : x) {
    squares.push_back(static_cast<double>(value) * static_cast<double>(value));
  }
  return static_cast<T>(std::sqrt(sum(std::span<const double>(squares))));
}

// What section 6b names for one row: `centred` for layer norm, otherwise RMS norm.
template <class T>
struct NormRow {
  NormRow(std::span<const T> x, T eps, bool centred) {
    const T n = static_cast<T>(x.size());
    if (centred) mean = sum(x) / n;
    std::vector<T> c, squares;
    for (const T value : x) c.push_back(centred ? value - mean : value);
    for (const T value : c) squares.push_back(value * value);
    rstd = T{1} / std::sqrt(sum(std::span<const T>(squares)) / n + eps);
    for (const T value : c) h.push_back(value * rstd);
  }

  std::vector<T> h;
  T mean = 0;
  T rstd = 0;
};

template <class T>
std::vector<T> norm_grad_row(const NormRow<T>& row, std::span<const T> g, std::span<const T> gamma,
                             bool centred) {
  const T n = static_cast<T>(g.size());
  std::vector<T> q, products, dx;
  for (std::size_t j = 0; j < g.size(); ++j) {
    q.push_back(g[j] * gamma[j]);
    products.push_back(q[j] * row.h[j]);
  }
  const T a = sum(std::span<const T>(q)) / n;
  const T b = sum(std::span<const T>(products)) / n;
  for (std::size_t j = 0; j < g.size(); ++j) {
    const T first = centred ? q[j] - a : q[j];
    dx.push_back((first - row.h[j] * b) * row.rstd);
  }
  return dx;
}

}  // namespace palinode::oracle
