// Two-dimensional convolution and its gradients as matrix products (docs/arithmetic.md, section 2).
//
// As in every framework it is the cross-correlation: the kernel is not turned round. Channels come
// last; all arrays are row-major and contiguous, and outputs are disjoint from inputs:
//   x [n, h.in, w.in, c_in]    weight [h.kernel, w.kernel, c_in, c_out]    bias [c_out]
//   y [n, h.out(), w.out(), c_out]
//   y[b,i,j,o] = bias[o] + sum over p, q, c of weight[p,q,c,o] *
//                x[b, i h.stride + p h.dilation - h.padding, j w.stride + q w.dilation - w.padding,
//                c], where x is +0 outside its extents.
// There are no groups: every output channel sees every input channel. T is float or double. n and
// the channels may be 0. Memory beside the arguments is bounded (see each function).
// Source: Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for
// Document Processing", 2006, section 2 (unrolling into a matrix product).
#pragma once

#include <cstddef>
#include <span>

#include "tensor/kernels/matmul.h"

namespace palinode::kernels {

// The whole numbers in [begin, end).
struct ConvRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// How the kernel moves along one axis.
struct ConvAxis {
  std::size_t in = 0;        // places of x
  std::size_t kernel = 1;    // places of the weight
  std::size_t stride = 1;    // from one output to the next, in places of x
  std::size_t padding = 0;   // zeros before x, and as many behind it
  std::size_t dilation = 1;  // from one place of the kernel to the next, in places of x

  // The number of outputs: floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. Throws
  // ShapeError if the kernel reaches beyond the padded input, if kernel, stride or dilation is 0,
  // or if any number is 2^31 or more.
  std::size_t out() const;

  // Where output o puts place p of the kernel, padding included: x begins at `padding`.
  std::size_t place(std::size_t o, std::size_t p) const { return o * stride + p * dilation; }

  // The places of the kernel that output o puts on x.
  ConvRange on_x(std::size_t o) const;

  // The outputs that put place p of the kernel on [from, to) of x.
  ConvRange outputs_on(std::size_t p, std::size_t from, std::size_t to) const;
};

struct ConvShape {
  std::size_t n = 0;  // images
  std::size_t c_in = 0;
  std::size_t c_out = 0;
  ConvAxis h = {};
  ConvAxis w = {};

  // Output positions, and factors of each: y is [rows, c_out], weight [depth, c_out].
  std::size_t rows() const { return n * h.out() * w.out(); }
  std::size_t depth() const { return h.kernel * w.kernel * c_in; }
};

// y = activation(convolution (+ bias unless empty)). An image does not depend on the others. Error
// and bits are those of a matrix product with k = depth. Each thread holds the factors of some
// positions, 2^17 values or those of one position.
template <class T>
void conv2d(const ConvShape& shape, std::span<const T> x, std::span<const T> weight,
            std::span<const T> bias, std::span<T> y, Activation activation = Activation::kNone);

// dweight, from the gradient dy of y: a matrix product with k = rows. Holds the factors of 256
// positions or, if that is more, 2^18 values, and each thread 2^17 products or those of one row of
// dweight. (The bias's gradient is column_sums of dy.)
template <class T>
void conv2d_weight_grad(const ConvShape& shape, std::span<const T> x, std::span<const T> dy,
                        std::span<T> dweight);

// dx: each product over c_out, the products summed over the places of the kernel. Each thread holds
// the products for some rows of x, 2^17 values or those of one row of outputs.
template <class T>
void conv2d_input_grad(const ConvShape& shape, std::span<const T> dy, std::span<const T> weight,
                       std::span<T> dx);

}  // namespace palinode::kernels
