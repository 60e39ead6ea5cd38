// The tables of the kernels of single layers, as in tables.h; private to the kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/kernels/pool.h"
#include "tensor/kernels/tables.h"
#include "tensor/rng.h"

namespace palinode::kernels {

// In the order of Binary (broadcast.h). One row: an operand's step is 1, or 0 for one value.
template <class T>
struct BroadcastTable {
  void (*row[6])(const T* a, std::size_t a_step, const T* b, std::size_t b_step, T* out,
                 std::size_t n);
};

struct DropoutTable {
  void (*words)(RngKey key, std::uint64_t first, std::size_t blocks, std::uint32_t* words);
  void (*drop_f32)(const std::uint32_t* words, std::uint32_t threshold, float scale, const float* x,
                   float* out, std::size_t n);
  void (*drop_f64)(const std::uint32_t* words, std::uint32_t threshold, double scale,
                   const double* x, double* out, std::size_t n);
};

struct GradientTable {
  UnaryFunction<float> silu_fast;
  BinaryFunction<float> silu_grad_fast, gelu_grad_fast, gelu_tanh_grad_fast;
  BinaryFunction<float> sin_grad_fast, cos_grad_fast, erf_grad_fast;
};

// What normalizes columns: h[i, j] = (x[i, j] - mean[j]) * rstd[j].
template <class T>
struct ColumnScale {
  const T *mean, *rstd, *gamma, *beta;
};

// The first two do columns [begin, end) of matrices with `cols` columns, the others one row.
template <class T>
struct BatchNormTable {
  void (*squares)(const T* x, const T* mean, std::size_t rows, std::size_t cols, std::size_t begin,
                  std::size_t end, T* out);
  void (*gamma_grad)(const T* g, const T* x, const T* mean, const T* rstd, std::size_t rows,
                     std::size_t cols, std::size_t begin, std::size_t end, T* out);
  void (*row)(const T* x, const ColumnScale<T>& scale, T* y, std::size_t n);
  void (*row_grad)(const T* g, const T* x, const ColumnScale<T>& scale, const T* a, const T* b,
                   T* dx, std::size_t n);
};

// Each function does one image; avg leaves `place` alone.
template <class T>
struct PoolTable {
  void (*max)(const PoolShape& shape, const T* x, T* y, T* place);
  void (*max_grad)(const PoolShape& shape, const T* dy, const T* place, T* dx);
  void (*avg)(const PoolShape& shape, const T* x, T* y, T* place);
  void (*avg_grad)(const PoolShape& shape, const T* dy, const T* place, T* dx);
};

}  // namespace palinode::kernels
