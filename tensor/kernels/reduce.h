// Sums and maxima in the fixed order of docs/arithmetic.md, section 3.
//
// T is float or double. Matrices are row-major and contiguous, rows x cols; either may be 0 unless
// said otherwise. Outputs are disjoint from inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace palinode::kernels {

// The sum of all values: 64 lanes in chunks of 4096. +0 for none.
template <class T>
T sum(std::span<const T> x);

// out[i] = the sum of row i, by the same rule. out has `rows` values.
template <class T>
void row_sums(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);

// out[j] = the sum of column j, in blocks of 256 rows. out has `cols` values, +0 if there are no
// rows.
template <class T>
void column_sums(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);

// out[i] = the largest value of row i: NaN if it has a NaN, +0 for a zero of either sign. cols
// >= 1.
template <class T>
void row_max(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);

// out[i] = the first column of row i that holds its largest value; NaN counts as larger than any
// number. cols >= 1.
template <class T>
void row_argmax(std::span<const T> x, std::size_t rows, std::size_t cols,
                std::span<std::int32_t> out);

}  // namespace palinode::kernels
