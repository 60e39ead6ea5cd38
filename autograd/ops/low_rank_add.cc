// z = y + (factor * (x a)) b for y [m, n], x [m, k], a [k, rank] and b [rank, n]: what a low-rank
// change adds to a layer's output (LoRA: Hu et al., arXiv:2106.09685), in one pass over y. The
// factor is a constant, rounded to x's type.
//   gradient   t = factor * (x a), s = factor * (dz b^T);  dy = dz, dx = s a^T, da = x^T s,
//              db = t^T dz
//   order      each product is docs/arithmetic.md, section 2, complete before it is scaled or
//              added: the bits of matmul, scale, matmul and add one after the other
#include "tensor/kernels/low_rank.h"

#include "autograd/op_linalg.h"
#include "autograd/ops.h"
#include "tensor/gemm.h"
#include "tensor/kernels/elementwise.h"

namespace palinode {
namespace {

template <class T>
kernels::MatrixView<T> view(const Tensor& x) {
  return {x.extent<T>(), x.shape()[0], x.shape()[1], x.stride(0), x.stride(1)};
}

Tensor scaled(const Tensor& x, double factor) {
  return with_float(x.dtype(), "low_rank_add", [&]<class T>() {
    return filled<T>(x.shape(), [&](std::span<T> y) {
      kernels::scale(x.compact().values<T>(), static_cast<T>(factor), y);
    });
  });
}

template <class T>
Tensor in_one_pass(std::span<const Tensor> in, double factor, Kept& kept) {
  const Tensor y = in[0].compact(), a = in[2].compact(), b = in[3].compact();
  TensorBuilder low({in[1].shape()[0], a.shape()[1]}, dtype_of<T>());
  const Tensor z = filled<T>(y.shape(), [&](std::span<T> out) {
    kernels::low_rank_add<T>(view<T>(in[1]), view<T>(a), view<T>(b), static_cast<T>(factor),
                             y.values<T>(), low.values<T>(), out);
  });
  kept.push_back(std::move(low).build());
  return z;
}

// Of ranks that have no kernel of their own, and of another backend of the products.
template <class T>
Tensor in_steps(std::span<const Tensor> in, double factor, Kept& kept) {
  const Tensor low = scaled(product(in[1], in[2]), factor);
  kept.push_back(low);
  const Tensor change = product(low, in[3]);
  return filled<T>(in[0].shape(), [&](std::span<T> out) {
    kernels::add(in[0].compact().values<T>(), change.values<T>(), out);
  });
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept& kept) {
  require_same_dtype("low_rank_add", in);
  for (const Tensor& operand : in) {
    if (operand.shape().rank() != 2) throw_shapes("low_rank_add", "needs matrices", in);
  }
  const Shape &y = in[0].shape(), &x = in[1].shape(), &a = in[2].shape(), &b = in[3].shape();
  if (x[1] != a[0] || a[1] != b[0] || y[0] != x[0] || y[1] != b[1]) {
    throw_shapes("low_rank_add", "needs y [m, n], x [m, k], a [k, rank], b [rank, n]", in);
  }
  const bool one_pass = a[1] <= kernels::kLowRank && active_gemm() == Gemm::kCanonical;
  return with_float(in[0].dtype(), "low_rank_add", [&]<class T>() {
    return one_pass ? in_one_pass<T>(in, attrs.factor, kept) : in_steps<T>(in, attrs.factor, kept);
  });
}

Parts backward(const Saved& saved, const Tensor& dz) {
  const Tensor &x = saved.inputs[1], &a = saved.inputs[2], &b = saved.inputs[3];
  Parts gradients(4);
  if (saved.needed[0]) gradients[0] = dz;
  if (saved.needed[1] || saved.needed[2]) {
    const Tensor s = scaled(product(dz, b.transpose()), saved.attrs.factor);
    if (saved.needed[1]) gradients[1] = product(s, a.transpose());
    if (saved.needed[2]) gradients[2] = product(x.transpose(), s);
  }
  if (saved.needed[3]) gradients[3] = product(saved.kept[0].transpose(), dz);
  return gradients;
}

// Every extent may be 0, and the rank one that has no kernel.
Sample sample(const Rng& rng) {
  const std::size_t m = random_extent(rng, 0) - 1, k = random_extent(rng, 1) - 1;
  const std::size_t n = random_extent(rng, 2) - 1;
  const std::size_t rank = random_extent(rng, 3) - 1 + (rng.below(4, 4) == 0 ? 16 : 0);
  const auto normal = [&](const char* name, std::size_t rows, std::size_t cols) {
    return rng.stream(name).normal({rows, cols}, Dtype::kF64);
  };
  return {{normal("y", m, n), normal("x", m, k), normal("a", k, rank), normal("b", rank, n)},
          {.factor = 0.5 + rng.uniform(5)}};
}

}  // namespace

namespace ops {
extern const OpSpec low_rank_add = {"low_rank_add", 4, forward, backward, sample};
}

Var low_rank_add(Var y, Var x, Var a, Var b, double factor) {
  return y.tape().apply(ops::low_rank_add, {{y, x, a, b}}, {.factor = factor});
}

}  // namespace palinode
