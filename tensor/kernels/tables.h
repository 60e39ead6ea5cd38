// One table of functions per kernel family and type, filled in once for every SIMD target; private
// to the kernels.
//
// Pointers are to contiguous values; n counts elements. Checks and threads are the callers'
// business.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/float16.h"
#include "tensor/kernels/conv.h"
#include "tensor/kernels/matmul.h"

namespace palinode::kernels {

template <class T>
using UnaryFunction = void (*)(const T* x, T* out, std::size_t n);
template <class T>
using BinaryFunction = void (*)(const T* a, const T* b, T* out, std::size_t n);

template <class T>
struct MathTable {
  UnaryFunction<T> exp, log, tanh, sigmoid, erf, gelu, gelu_tanh, silu, sin, cos, rsqrt;
  void (*fma)(const T* a, const T* b, const T* c, T* out, std::size_t n);
};

template <class T>
struct ElementwiseTable {
  BinaryFunction<T> add, sub, mul, div, relu_grad, tanh_grad, sigmoid_grad, rsqrt_grad;
  BinaryFunction<T> gelu_grad, gelu_tanh_grad, silu_grad, erf_grad, sin_grad, cos_grad;
  UnaryFunction<T> relu;
  void (*scale)(const T* x, T s, T* out, std::size_t n);
};

struct FastTable {
  UnaryFunction<float> exp, log, tanh, sigmoid, erf, gelu, gelu_tanh, sin, cos, rsqrt;
};

template <class T>
struct ReduceTable {
  T (*sum)(const T* x, std::size_t n);
  double (*sum_of_squares)(const T* x, std::size_t n);
  T (*max)(const T* x, std::size_t n);
  std::size_t (*argmax)(const T* x, std::size_t n);
  // Columns [begin, end) of a matrix with `cols` columns.
  void (*column_sums)(const T* x, std::size_t rows, std::size_t cols, std::size_t begin,
                      std::size_t end, T* out);
};

// Each function but cross_entropy does one row.
template <class T>
struct SoftmaxTable {
  UnaryFunction<T> softmax, log_softmax;
  BinaryFunction<T> softmax_grad, log_softmax_grad;
  // A block of rows: losses and probabilities.
  void (*cross_entropy)(const T* x, std::size_t rows, std::size_t n, const std::int32_t* labels,
                        T* losses, T* p);
  void (*cross_entropy_grad)(const T* p, std::size_t n, std::size_t label, T r, T* dx);
};

// What normalizes a row: h[j] = (x[j] - mean) * rstd.
template <class T>
struct RowScale {
  T mean, rstd;
};

// Each function but gamma_grad does one row.
template <class T>
struct NormTable {
  RowScale<T> (*layer_statistics)(const T* x, std::size_t n, T eps);
  RowScale<T> (*rms_statistics)(const T* x, std::size_t n, T eps);
  void (*layer)(const T* x, RowScale<T> row, const T* gamma, const T* beta, T* y, std::size_t n);
  void (*rms)(const T* x, RowScale<T> row, const T* gamma, T* y, std::size_t n);
  void (*layer_grad)(const T* g, const T* x, const T* gamma, RowScale<T> row, T* dx, std::size_t n);
  void (*rms_grad)(const T* g, const T* x, const T* gamma, RowScale<T> row, T* dx, std::size_t n);
  // Columns [begin, end) of matrices with `cols` columns; no `mean` is a mean of zero.
  void (*gamma_grad)(const T* g, const T* x, const T* mean, const T* rstd, std::size_t rows,
                     std::size_t cols, std::size_t begin, std::size_t end, T* out);
};

// Between T and the bits of 16-bit floats.
template <class T>
struct ConvertTable {
  void (*widen_bf16)(const std::uint16_t* x, T* out, std::size_t n);
  void (*widen_f16)(const std::uint16_t* x, T* out, std::size_t n);
  void (*narrow_bf16)(const T* x, std::uint16_t* out, std::size_t n);
  void (*narrow_f16)(const T* x, std::uint16_t* out, std::size_t n);
};

// c [m, n] = activation(a [m, k] b [k, n] (+ bias [n] unless null)). Element (i, j) of a is a[i *
// a_row + j * a_col].
template <class T>
struct MatMulProblem {
  const T* a;
  const T* b;
  const T* bias;
  T* c;
  std::size_t m, n, k;
  std::size_t a_row, a_col, b_row, b_col, c_row;
  Activation activation;
};

template <class T>
struct MatMulTable {
  // `scratch` holds scratch_size(problem) values, 64-byte aligned.
  void (*run)(const MatMulProblem<T>& problem, T* scratch);
  std::size_t (*scratch_size)(const MatMulProblem<T>& problem);
  // Rows x cols values in place, rows `row` apart.
  void (*activate)(Activation activation, T* c, std::size_t rows, std::size_t cols,
                   std::size_t row);
  std::size_t tile_cols;
};

template <class T>
struct ConvTable {
  // The factors of the output positions [begin, end), `depth` each: padding is +0.
  void (*gather)(const ConvShape& shape, const T* x, std::size_t begin, std::size_t end,
                 T* columns);
  // Adds products to dx of one image: those of row p of the kernel with the lines [begin, end) of
  // outputs, columns [lines, w.out(), w.kernel, c_in].
  void (*scatter)(const ConvShape& shape, const T* columns, std::size_t p, ConvRange lines, T* dx);
};

}  // namespace palinode::kernels
