#include "autograd/op_linalg.h"

#include "autograd/op_spec.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

// x [rows, cols], or the first matrix of x [batch, rows, cols].
template <class T>
kernels::MatrixView<T> view(const Tensor& x) {
  const std::size_t row = x.shape().rank() - 2, col = row + 1;
  return {x.extent<T>(), x.shape()[row], x.shape()[col], x.stride(row), x.stride(col)};
}

template <class T>
Tensor batched_product(const Tensor& a, const Tensor& b) {
  const std::size_t count = a.shape()[0];
  return filled<T>({count, a.shape()[1], b.shape()[2]}, [&](std::span<T> c) {
    kernels::batched_matmul<T>(count, view<T>(a), a.stride(0), view<T>(b), b.stride(0), c);
  });
}

}  // namespace

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias,
               kernels::Activation activation) {
  return with_float(a.dtype(), "matmul", [&]<class T>() {
    if (a.shape().rank() == 3) return batched_product<T>(a, b);
    const std::span<const T> offset = bias.empty() ? std::span<const T>() : bias.values<T>();
    return filled<T>({a.shape()[0], b.shape()[1]}, [&](std::span<T> c) {
      kernels::matmul<T>(view<T>(a), view<T>(b), offset, c, activation);
    });
  });
}

Tensor column_sums(const Tensor& x) {
  return with_float(x.dtype(), "column_sums", [&]<class T>() {
    return filled<T>({x.shape()[1]}, [&](std::span<T> out) {
      kernels::column_sums<T>(x.compact().values<T>(), x.shape()[0], x.shape()[1], out);
    });
  });
}

}  // namespace palinode
