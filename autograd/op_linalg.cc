#include "autograd/op_linalg.h"

#include "autograd/op_spec.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/reduce.h"

namespace palinode {
namespace {

template <class T>
kernels::MatrixView<T> view(const Tensor& x) {
  return {x.extent<T>(), x.shape()[0], x.shape()[1], x.stride(0), x.stride(1)};
}

}  // namespace

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  return with_float(a.dtype(), "matmul", [&]<class T>() {
    const std::span<const T> offset = bias.empty() ? std::span<const T>() : bias.values<T>();
    return filled<T>({a.shape()[0], b.shape()[1]}, [&](std::span<T> c) {
      kernels::matmul<T>(view<T>(a), view<T>(b), offset, c);
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
