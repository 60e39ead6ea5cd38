// OpenBLAS as a second matrix product, loaded at run time (tensor/gemm.h).
#pragma once

#include <span>
#include <string>

#include "tensor/kernels/matmul.h"

namespace palinode::kernels {

// c = alpha op(a) op(b) + beta c as the reference BLAS defines it (Dongarra et al., "A Set of Level
// 3 Basic Linear Algebra Subprograms", 1990), in its C interface.
template <class T>
using CblasGemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                           T alpha, const T* a, int lda, const T* b, int ldb, T beta, T* c,
                           int ldc);

// Values of the C interface's enumerations.
inline constexpr int kCblasRowMajor = 101, kCblasNoTrans = 111, kCblasTrans = 112;

struct OpenBlas {
  void* library = nullptr;  // as dlopen gave it; never closed, for the library has threads
  CblasGemm<float> sgemm = nullptr;
  CblasGemm<double> dgemm = nullptr;
  void (*set_num_threads)(int) = nullptr;
  std::string core, config;
};

// Loads the library from a file, or throws EnvironmentError saying what is missing.
OpenBlas load_openblas(const std::string& file);

// The system's OpenBLAS, loaded on the first call. Throws EnvironmentError naming the package.
const OpenBlas& openblas();

// matmul (matmul.h) by OpenBLAS, for T float or double and c not empty, k >= 1. A view with a
// stride of 1 in one direction is read in place, any other is copied first. Threads share out rows
// or columns of c, each with a product of its own, so that OpenBLAS's threads and ours never
// compete. Throws ShapeError for extents or strides that do not fit its 32-bit integers.
template <class T>
void openblas_matmul(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias,
                     std::span<T> c);

}  // namespace palinode::kernels
