// What the callers of the products' kernels share: how a product is described and divided among
// threads, and their scratch memory. Private to the kernels.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "tensor/kernels/tables.h"

namespace palinode::kernels {

// Multiplications per thread that are worth waking it for.
inline constexpr std::size_t kMinProductPerThread = std::size_t{1} << 18;

struct FreeAligned {
  void operator()(std::byte* bytes) const { ::operator delete (bytes, std::align_val_t{64}); }
};

// This thread's scratch memory: it grows and is kept.
template <class T>
T* scratch(std::size_t count) {
  thread_local std::unique_ptr<std::byte, FreeAligned> memory;
  thread_local std::size_t size = 0;
  const std::size_t bytes = count * sizeof(T);
  if (bytes > size) {
    memory.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64})));
    size = bytes;
  }
  return reinterpret_cast<T*>(memory.get());
}

// The part of the product with rows [i, i_end) and columns [j, j_end) of c.
template <class T>
MatMulProblem<T> part_of(MatMulProblem<T> q, std::size_t i, std::size_t i_end, std::size_t j,
                         std::size_t j_end) {
  q.a += i * q.a_row;
  q.b += j * q.b_col;
  q.c += i * q.c_row + j;
  if (q.bias != nullptr) q.bias += j;
  q.m = i_end - i;
  q.n = j_end - j;
  return q;
}

template <class T>
MatMulProblem<T> problem_of(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias,
                            std::span<T> c, Activation activation) {
  return {.a = a.data.data(),
          .b = b.data.data(),
          .bias = bias.empty() ? nullptr : bias.data(),
          .c = c.data(),
          .m = a.rows,
          .n = b.cols,
          .k = a.cols,
          .a_row = a.row_stride,
          .a_col = a.col_stride,
          .b_row = b.row_stride,
          .b_col = b.col_stride,
          .c_row = b.cols,
          .activation = activation};
}

}  // namespace palinode::kernels
