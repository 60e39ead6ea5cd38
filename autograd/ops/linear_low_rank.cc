// z = (x w (+ bias)) + (factor * (v a)) b for x and v [m, k], w [k, n], bias [n], a [k, rank] and
// b [rank, n]: a linear layer with a low-rank change (LoRA: Hu et al., arXiv:2106.09685), which is
// added in the store of the layer's own product. The factor is a constant, rounded to x's type.
//   gradient   t = factor * (v a), s = factor * (dz b^T);  dv = s a^T, dx = dz w^T,
//              dw = x^T dz, dbias = sum of dz over rows, da = v^T s, db = t^T dz
//   order      docs/arithmetic.md, section 2: the bits of linear and low_rank_add. v is x, and an
//              operand of its own, so that the two gradients are added to what x has one after the
//              other, as those of two ops are.
#include <algorithm>

#include "autograd/op_linalg.h"
#include "autograd/ops.h"
#include "tensor/gemm.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/low_rank.h"

namespace palinode {
namespace {

// v comes first, as the backward walk would meet a low_rank_add before its linear.
struct Operands {
  const Tensor &v, &x, &a, &b, &w;
  Tensor bias;

  explicit Operands(std::span<const Tensor> in)
      : v(in[0]),
        x(in[1]),
        a(in[2]),
        b(in[3]),
        w(in[4]),
        bias(in.size() == 6 ? in[5].compact() : Tensor()) {}
};

Tensor scaled(const Tensor& x, double factor) {
  return with_float(x.dtype(), "linear_low_rank", [&]<class T>() {
    return filled<T>(x.shape(), [&](std::span<T> y) {
      kernels::scale(x.compact().values<T>(), static_cast<T>(factor), y);
    });
  });
}

template <class T>
kernels::MatrixView<T> view(const Tensor& x) {
  return {x.extent<T>(), x.shape()[0], x.shape()[1], x.stride(0), x.stride(1)};
}

// Whether v is x, and the kernel knows the extents and the product.
template <class T>
bool fits_kernel(const Operands& in) {
  const bool same = in.v.extent<T>().data() == in.x.extent<T>().data() &&
                    in.v.stride(0) == in.x.stride(0) && in.v.stride(1) == in.x.stride(1);
  const std::size_t k = in.a.shape()[0], rank = in.a.shape()[1];
  return same && k > 0 && rank > 0 && rank <= kernels::kLowRank &&
         active_gemm() == Gemm::kCanonical;
}

template <class T>
Tensor in_one_product(const Operands& in, double factor, Kept& kept) {
  const Tensor a = in.a.compact(), b = in.b.compact();
  const std::span<const T> bias = in.bias.empty() ? std::span<const T>() : in.bias.values<T>();
  TensorBuilder low({in.x.shape()[0], a.shape()[1]}, dtype_of<T>());
  const Tensor z = filled<T>({in.x.shape()[0], b.shape()[1]}, [&](std::span<T> out) {
    kernels::linear_low_rank<T>(view<T>(in.x), view<T>(in.w), bias, view<T>(a), view<T>(b),
                                static_cast<T>(factor), low.values<T>(), out);
  });
  kept.push_back(std::move(low).build());
  return z;
}

template <class T>
Tensor in_steps(const Operands& in, double factor, Kept& kept) {
  const Tensor y = product(in.x, in.w, in.bias);
  const Tensor low = scaled(product(in.v, in.a), factor);
  kept.push_back(low);
  const Tensor change = product(low, in.b);
  return filled<T>(y.shape(), [&](std::span<T> out) {
    kernels::add(y.compact().values<T>(), change.compact().values<T>(), out);
  });
}

Tensor forward(std::span<const Tensor> inputs, const Attrs& attrs, Kept& kept) {
  require_same_dtype("linear_low_rank", inputs);
  const std::span<const Tensor> matrices = inputs.first(std::min<std::size_t>(inputs.size(), 5));
  bool fit = inputs.size() == 5 || inputs.size() == 6;
  for (const Tensor& operand : matrices) fit = fit && operand.shape().rank() == 2;
  if (inputs.size() == 6) fit = fit && inputs[5].shape().rank() == 1;
  if (fit) {
    const Shape &x = inputs[0].shape(), &a = inputs[2].shape(), &b = inputs[3].shape();
    const Shape& w = inputs[4].shape();
    fit = inputs[1].shape() == x && x[1] == w[0] && x[1] == a[0] && a[1] == b[0] && b[1] == w[1] &&
          (inputs.size() == 5 || inputs[5].shape()[0] == w[1]);
  }
  if (!fit) {
    throw_shapes("linear_low_rank",
                 "needs x [m, k] twice, a [k, rank], b [rank, n], weight [k, n], bias [n] or none",
                 inputs);
  }
  const Operands in(inputs);
  return with_float(in.x.dtype(), "linear_low_rank", [&]<class T>() {
    return fits_kernel<T>(in) ? in_one_product<T>(in, attrs.factor, kept)
                              : in_steps<T>(in, attrs.factor, kept);
  });
}

Parts backward(const Saved& saved, const Tensor& dz) {
  const Operands in(saved.inputs);
  Parts gradients(saved.inputs.size());
  if (saved.needed[0] || saved.needed[2]) {
    const Tensor s = scaled(product(dz, in.b.transpose()), saved.attrs.factor);
    if (saved.needed[0]) gradients[0] = product(s, in.a.transpose());
    if (saved.needed[2]) gradients[2] = product(in.v.transpose(), s);
  }
  if (saved.needed[1]) gradients[1] = product(dz, in.w.transpose());
  if (saved.needed[3]) gradients[3] = product(saved.kept[0].transpose(), dz);
  if (saved.needed[4]) gradients[4] = product(in.x.transpose(), dz);
  if (saved.inputs.size() == 6 && saved.needed[5]) gradients[5] = column_sums(dz);
  return gradients;
}

// Every extent may be 0, the rank one that has no kernel, and v another matrix than x.
Sample sample(const Rng& rng) {
  const std::size_t m = random_extent(rng, 0) - 1, k = random_extent(rng, 1) - 1;
  const std::size_t n = random_extent(rng, 2) - 1;
  const std::size_t rank = random_extent(rng, 3) - 1 + (rng.below(4, 4) == 0 ? 16 : 0);
  const auto normal = [&](const char* name, std::size_t rows, std::size_t cols) {
    return rng.stream(name).normal({rows, cols}, Dtype::kF64);
  };
  const Tensor x = normal("x", m, k);
  const Tensor v = rng.below(7, 2) == 0 ? x : normal("v", m, k);
  Sample sample = {{v, x, normal("a", k, rank), normal("b", rank, n), normal("w", k, n)},
                   {.factor = 0.5 + rng.uniform(5)}};
  if (rng.below(6, 2) == 0) {
    sample.inputs.push_back(rng.stream("bias").normal({n}, Dtype::kF64));
  }
  return sample;
}

}  // namespace

namespace ops {
extern const OpSpec linear_low_rank = {"linear_low_rank", kVariadic, forward, backward, sample};
}

Var linear_low_rank(Var x, Var weight, Var bias, Var a, Var b, double factor) {
  return x.tape().apply(ops::linear_low_rank, {{x, x, a, b, weight, bias}}, {.factor = factor});
}

Var linear_low_rank(Var x, Var weight, Var a, Var b, double factor) {
  return x.tape().apply(ops::linear_low_rank, {{x, x, a, b, weight}}, {.factor = factor});
}

}  // namespace palinode
