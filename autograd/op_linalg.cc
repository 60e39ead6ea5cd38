#include "autograd/op_linalg.h"

#include "autograd/op_spec.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

// Matrix number `batch` of x [batch, rows, cols], or x [rows, cols] itself.
template <class T>
kernels::MatrixView<T> view(const Tensor& x, std::size_t batch) {
  const std::size_t row = x.shape().rank() - 2, col = row + 1;
  const std::size_t offset = row == 0 ? 0 : batch * x.stride(0);
  return {x.extent<T>().subspan(offset), x.shape()[row], x.shape()[col], x.stride(row),
          x.stride(col)};
}

}  // namespace

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  const bool batched = a.shape().rank() == 3;
  const std::size_t batches = batched ? a.shape()[0] : 1;
  const std::size_t m = a.shape()[batched ? 1 : 0], n = b.shape().last();
  return with_float(a.dtype(), "matmul", [&]<class T>() {
    const std::span<const T> offset = bias.empty() ? std::span<const T>() : bias.values<T>();
    return filled<T>(batched ? Shape{batches, m, n} : Shape{m, n}, [&](std::span<T> c) {
      for (std::size_t i = 0; i < batches; ++i) {
        kernels::matmul<T>(view<T>(a, i), view<T>(b, i), offset, c.subspan(i * m * n, m * n));
      }
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
