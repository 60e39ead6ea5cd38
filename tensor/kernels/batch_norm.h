// Normalization of columns over a batch (docs/arithmetic.md, section 6b).
//
// x [rows, cols], row-major and contiguous; gamma, beta, mean, variance and sums [cols]. Outputs
// are disjoint from inputs. T is float or double. Threads share columns of a sum, else rows.
// Source: Ioffe and Szegedy, arXiv:1502.03167.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::kernels {

// The mean of each column, and the mean of the squares of its differences to that (not divided by
// rows - 1). rows >= 1.
template <class T>
void batch_statistics(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> mean,
                      std::span<T> variance);

// out = 1 / sqrt(variance + eps), two operations after the addition.
template <class T>
void reciprocal_deviation(std::span<const T> variance, T eps, std::span<T> rstd);

// y = ((x - mean) * rstd) * gamma + beta.
template <class T>
void batch_norm(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<const T> mean,
                std::span<const T> rstd, std::span<const T> gamma, std::span<const T> beta,
                std::span<T> y);

// dgamma = the sums over rows of g * ((x - mean) * rstd).
template <class T>
void batch_norm_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows,
                           std::size_t cols, std::span<const T> mean, std::span<const T> rstd,
                           std::span<T> dgamma);

// dx = ((g - a) - ((x - mean) * rstd) * b) * (gamma * rstd), where a and b [cols] are the means
// over rows of g and of g * ((x - mean) * rstd).
template <class T>
void batch_norm_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                     std::span<const T> mean, std::span<const T> rstd, std::span<const T> gamma,
                     std::span<const T> a, std::span<const T> b, std::span<T> dx);

}  // namespace palinode::kernels
