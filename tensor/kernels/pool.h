// Maximum and mean over windows of an image, and their gradients (docs/arithmetic.md, section 2b).
//
// Channels last, row-major and contiguous: x [n, h.in, w.in, c], y [n, h.out(), w.out(), c]. The
// axes are those of a convolution (conv.h) without dilation, whose padding is smaller than the
// window, so that each window has a place on x. T is float or double. Threads share the images.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/kernels/conv.h"

namespace palinode::kernels {

struct PoolShape {
  std::size_t n = 0;  // images
  std::size_t c = 0;
  ConvAxis h = {};
  ConvAxis w = {};

  std::size_t outputs() const { return n * h.out() * w.out() * c; }
};

// y = the largest value of each window that lies on x; `place` [as y] is where in the window it is,
// p * w.kernel + q, the first in row-major order. A NaN is larger than any number.
template <class T>
void max_pool(const PoolShape& shape, std::span<const T> x, std::span<T> y, std::span<T> place);

// dx: +0, to which each dy is added at the place of its maximum, outputs in row-major order.
template <class T>
void max_pool_grad(const PoolShape& shape, std::span<const T> dy, std::span<const T> place,
                   std::span<T> dx);

// y = (the sum over each window, in row-major order) / (places of a window): outside x is +0.
template <class T>
void avg_pool(const PoolShape& shape, std::span<const T> x, std::span<T> y);

// dx: +0, to which dy / (places of a window) is added at all places of its window on x, outputs in
// row-major order.
template <class T>
void avg_pool_grad(const PoolShape& shape, std::span<const T> dy, std::span<T> dx);

}  // namespace palinode::kernels
