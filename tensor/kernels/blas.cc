#include "tensor/kernels/blas.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <type_traits>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace palinode::kernels {
namespace {

template <class Function>
Function symbol(void* library, const std::string& file, const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) throw EnvironmentError(fmt::format("gemm: {} has no {}", file, name));
  return reinterpret_cast<Function>(found);
}

int to_int(std::size_t x) {
  if (x > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw ShapeError(fmt::format("matmul: OpenBLAS counts to 2^31 - 1, got {}", x));
  }
  return static_cast<int>(x);
}

// A matrix as BLAS takes it: lines of contiguous values, which are its columns if transposed.
template <class T>
struct Operand {
  const T* data;
  int transposed;
  std::size_t line;
  std::vector<T> copy;

  // Element (i, j).
  const T* at(std::size_t i, std::size_t j) const {
    return data + (transposed == kCblasTrans ? j * line + i : i * line + j);
  }
};

// A line must not be shorter than what it holds; BLAS refuses overlapping and repeated ones.
template <class T>
Operand<T> operand(const MatrixView<T>& view) {
  const std::size_t row_line = view.rows == 1 ? view.cols : view.row_stride;
  if ((view.col_stride == 1 || view.cols == 1) && row_line >= view.cols) {
    return {view.data.data(), kCblasNoTrans, row_line, {}};
  }
  const std::size_t col_line = view.cols == 1 ? view.rows : view.col_stride;
  if ((view.row_stride == 1 || view.rows == 1) && col_line >= view.rows) {
    return {view.data.data(), kCblasTrans, col_line, {}};
  }
  Operand<T> result = {nullptr, kCblasNoTrans, view.cols, {}};
  result.copy.reserve(view.rows * view.cols);
  for (std::size_t i = 0; i < view.rows; ++i) {
    for (std::size_t j = 0; j < view.cols; ++j) {
      result.copy.push_back(view.data[i * view.row_stride + j * view.col_stride]);
    }
  }
  result.data = result.copy.data();
  return result;
}

template <class T>
CblasGemm<T> gemm() {
  if constexpr (std::is_same_v<T, float>) {
    return openblas().sgemm;
  } else {
    return openblas().dgemm;
  }
}

// Multiplications per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = std::size_t{1} << 20;

}  // namespace

OpenBlas load_openblas(const std::string& file) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw EnvironmentError(
        fmt::format("gemm: OpenBLAS cannot be loaded (Debian's package libopenblas0 has it): {}",
                    why == nullptr ? file : why));
  }
  using Words = const char* (*)();
  return {.library = library,
          .sgemm = symbol<CblasGemm<float>>(library, file, "cblas_sgemm"),
          .dgemm = symbol<CblasGemm<double>>(library, file, "cblas_dgemm"),
          .set_num_threads = symbol<void (*)(int)>(library, file, "openblas_set_num_threads"),
          .core = symbol<Words>(library, file, "openblas_get_corename")(),
          .config = symbol<Words>(library, file, "openblas_get_config")()};
}

const OpenBlas& openblas() {
  static const OpenBlas library = [] {
    OpenBlas loaded = load_openblas("libopenblas.so.0");
    loaded.set_num_threads(1);
    return loaded;
  }();
  return library;
}

template <class T>
void openblas_matmul(const MatrixView<T>& a, const MatrixView<T>& b, std::span<const T> bias,
                     std::span<T> c) {
  const Operand<T> left = operand(a);
  const Operand<T> right = operand(b);
  const CblasGemm<T> multiply = gemm<T>();
  const std::size_t k = a.cols, n = b.cols;
  const int lda = to_int(left.line), ldb = to_int(right.line), ldc = to_int(n);
  to_int(std::max(a.rows, k));
  const bool by_rows = a.rows >= n;
  const auto body = [&](std::size_t begin, std::size_t end) {
    const std::size_t i = by_rows ? begin : 0, i_end = by_rows ? end : a.rows;
    const std::size_t j = by_rows ? 0 : begin, j_end = by_rows ? n : end;
    multiply(kCblasRowMajor, left.transposed, right.transposed, static_cast<int>(i_end - i),
             static_cast<int>(j_end - j), static_cast<int>(k), T{1}, left.at(i, 0), lda,
             right.at(0, j), ldb, T{0}, c.data() + i * n + j, ldc);
    if (bias.empty()) return;
    for (std::size_t row = i; row < i_end; ++row) {
      for (std::size_t column = j; column < j_end; ++column) c[row * n + column] += bias[column];
    }
  };
  parallel_for(by_rows ? a.rows : n, kMinPerThread / ((by_rows ? n : a.rows) * k) + 1,
               std::ref(body));
}

template void openblas_matmul(const MatrixView<float>&, const MatrixView<float>&,
                              std::span<const float>, std::span<float>);
template void openblas_matmul(const MatrixView<double>&, const MatrixView<double>&,
                              std::span<const double>, std::span<double>);

}  // namespace palinode::kernels
