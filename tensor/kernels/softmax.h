// Softmax and cross-entropy over rows of logits (docs/arithmetic.md, section 6).
//
// T is float or double. Matrices are row-major and contiguous, rows x cols with cols >= 1 unless
// rows is 0. A row's result never depends on another row. `out` is disjoint from the inputs. Per
// row:
//   m = max x,  d[j] = x[j] - m,  e[j] = exp(d[j]),  s = sum of e.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace palinode::kernels {

// p[j] = e[j] / s.
template <class T>
void softmax(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);

// out[j] = p[j] * (g[j] - (sum of g * p)), where p is the output of softmax.
template <class T>
void softmax_grad(std::span<const T> g, std::span<const T> p, std::size_t rows, std::size_t cols,
                  std::span<T> out);

// The softmax of attention that sees no later place: row i is the softmax of its first
// i mod cols + 1 columns, and +0 after them. Its gradient is +0 there too.
template <class T>
void causal_softmax(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);
template <class T>
void causal_softmax_grad(std::span<const T> g, std::span<const T> p, std::size_t rows,
                         std::size_t cols, std::span<T> out);

// l[j] = d[j] - log(s).
template <class T>
void log_softmax(std::span<const T> x, std::size_t rows, std::size_t cols, std::span<T> out);

// out[j] = g[j] - exp(l[j]) * (sum of g), where l is the output of log_softmax.
template <class T>
void log_softmax_grad(std::span<const T> g, std::span<const T> l, std::size_t rows,
                      std::size_t cols, std::span<T> out);

// losses[i] = log(s) - d[labels[i]], and the probabilities p[j] = e[j] / s for its gradient. Every
// label is in [0, cols). labels and losses have `rows` values, p the shape of x.
template <class T>
void cross_entropy(std::span<const T> x, std::size_t rows, std::size_t cols,
                   std::span<const std::int32_t> labels, std::span<T> losses, std::span<T> p);

// dx[i,j] = (p[j] - (j == labels[i] ? 1 : 0)) * r[i], with r[i] = (g * weight[i]) / rows given by
// the caller.
template <class T>
void cross_entropy_grad(std::span<const T> p, std::size_t rows, std::size_t cols,
                        std::span<const std::int32_t> labels, std::span<const T> r,
                        std::span<T> dx);

}  // namespace palinode::kernels
