// Layer norm and RMS norm of rows (docs/arithmetic.md, section 6b).
//
// T is float or double. Matrices are row-major and contiguous, rows x cols with cols >= 1 unless
// rows is 0; gamma and beta have `cols` values, mean and rstd `rows`. A row's result never depends
// on another row. Outputs are disjoint from inputs. With h[j] the normalized value:
//   layer norm  h[j] = (x[j] - mean) * rstd,  rstd = 1 / sqrt(mean of (x[j] - mean)^2 + eps)
//   RMS norm    h[j] = x[j] * rstd,           rstd = 1 / sqrt(mean of x[j]^2 + eps)
// Sources: Ba, Kiros and Hinton, arXiv:1607.06450, equation 4, over one layer's features; Zhang and
// Sennrich, arXiv:1910.07467, equation 4, with eps added.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::kernels {

// y[i,j] = h[i,j] * gamma[j] + beta[j]. Gives each row's mean and rstd for the gradient.
template <class T>
void layer_norm(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<const T> gamma,
                std::span<const T> beta, T eps, std::span<T> y, std::span<T> mean,
                std::span<T> rstd);

// The mean and rstd of each row alone, the same as layer_norm's.
template <class T>
void layer_norm_statistics(std::span<const T> x, std::size_t rows, std::size_t cols, T eps,
                           std::span<T> mean, std::span<T> rstd);

// With q[j] = g[j] * gamma[j], a the mean of q and b the mean of q * h:
//   dx[j] = ((q[j] - a) - h[j] * b) * rstd.
template <class T>
void layer_norm_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                     std::span<const T> gamma, std::span<const T> mean, std::span<const T> rstd,
                     std::span<T> dx);

// dgamma[j] = the sum of column j of g * h. (dbeta is the sum of the columns of g: column_sums.)
template <class T>
void layer_norm_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows,
                           std::size_t cols, std::span<const T> mean, std::span<const T> rstd,
                           std::span<T> dgamma);

// y[i,j] = h[i,j] * gamma[j]. Gives each row's rstd for the gradient.
template <class T>
void rms_norm(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<const T> gamma,
              T eps, std::span<T> y, std::span<T> rstd);

// The rstd of each row alone, the same as rms_norm's.
template <class T>
void rms_norm_statistics(std::span<const T> x, std::size_t rows, std::size_t cols, T eps,
                         std::span<T> rstd);

// As layer_norm_grad without a: dx[j] = (q[j] - h[j] * b) * rstd.
template <class T>
void rms_norm_grad(std::span<const T> g, std::span<const T> x, std::size_t rows, std::size_t cols,
                   std::span<const T> gamma, std::span<const T> rstd, std::span<T> dx);

// dgamma[j] = the sum of column j of g * h.
template <class T>
void rms_norm_gamma_grad(std::span<const T> g, std::span<const T> x, std::size_t rows,
                         std::size_t cols, std::span<const T> rstd, std::span<T> dgamma);

}  // namespace palinode::kernels
