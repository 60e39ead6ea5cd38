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

// The sum divided by the number of values, which is at least 1.
template <class T>
T mean(std::span<const T> x);

// out[i] = the mean of row i. cols >= 1.
template <class T>
void row_means(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);

// The largest of all values and the place of the first one that holds it, as for a row. At least
// one value.
template <class T>
T max(std::span<const T> x);
template <class T>
std::size_t argmax(std::span<const T> x);

// The sum of the squares, both in f64; those of f32 values are exact.
template <class T>
double sum_of_squares(std::span<const T> x);

// The square root of the sum of squares: squared, summed and rooted in f64, then rounded to T. For
// f32 the squares are exact and cannot overflow; the error is below 0.501 ULP.
template <class T>
T l2_norm(std::span<const T> x);

}  // namespace palinode::kernels
