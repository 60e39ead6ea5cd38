// Scaled dot-product attention of several heads, softmax(scale * q k^T) v for each: of one packed
// matrix qkv, or of three, q, k and v.
//   gradient   tensor/kernels/attention.h; the probabilities are kept
//   orders     docs/arithmetic.md, section 6c
//   source     Vaswani et al., arXiv:1706.03762, equation 1; fewer heads of keys and values than
//              of queries: Ainslie et al., arXiv:2305.13245
#include "tensor/kernels/attention.h"

#include <fmt/format.h>

#include <cmath>

#include "autograd/ops.h"
#include "tensor/error.h"

namespace palinode {
namespace {

using kernels::HeadRows;

kernels::AttentionShape shape_of(std::span<const Tensor> in, const AttentionConfig& c) {
  require_same_dtype("attention", in);
  if (in.size() != 1 && in.size() != 3) throw_shapes("attention", "needs qkv, or q, k and v", in);
  for (const Tensor& x : in) {
    if (x.shape().rank() != 2 || x.empty()) {
      throw_shapes("attention", "needs matrices [batch * time, columns], not empty", in);
    }
  }
  if (c.batch == 0 || c.heads == 0 || c.kv_heads == 0 || c.heads % c.kv_heads != 0) {
    throw ShapeError(
        fmt::format("attention: {} sequences, {} heads, {} of keys and values: none "
                    "may be 0, and heads must be a multiple",
                    c.batch, c.heads, c.kv_heads));
  }
  const std::size_t columns = in.size() == 1 ? c.heads + 2 * c.kv_heads : c.heads;
  const Shape &q = in.front().shape(), &k = in[in.size() == 1 ? 0 : 1].shape();
  if (q[1] % columns != 0 || q[0] % c.batch != 0 || k[0] % c.batch != 0) {
    throw_shapes("attention",
                 fmt::format("{} sequences of {} heads do not divide it", c.batch, columns), in);
  }
  const kernels::AttentionShape s = {.batch = c.batch,
                                     .queries = q[0] / c.batch,
                                     .keys = k[0] / c.batch,
                                     .heads = c.heads,
                                     .kv_heads = c.kv_heads,
                                     .head_dim = q[1] / columns,
                                     .causal = c.causal,
                                     .fast_exp = c.precision == Precision::kFast};
  if (in.size() == 3 && (k != in[2].shape() || k[1] != c.kv_heads * s.head_dim)) {
    throw_shapes("attention",
                 fmt::format("needs k and v with {} heads of {}", c.kv_heads, s.head_dim), in);
  }
  if (s.causal && s.keys < s.queries) {
    throw_shapes("attention", "causal, and fewer keys than queries", in);
  }
  return s;
}

template <class T>
T scale_of(const kernels::AttentionShape& s, const AttentionConfig& config) {
  const double standard = 1 / std::sqrt(static_cast<double>(s.head_dim));
  return static_cast<T>(config.scale == 0 ? standard : config.scale);
}

// q, k and v as column ranges of one matrix, or each a matrix of its own.
template <class T>
struct Operands {
  HeadRows<T> q, k, v;
};

template <class T>
Operands<T> columns_of(const kernels::AttentionShape& s, std::span<T> qkv) {
  const std::size_t q_columns = s.heads * s.head_dim, kv_columns = s.kv_heads * s.head_dim;
  const std::size_t row = q_columns + 2 * kv_columns;
  return {{qkv, row}, {qkv.subspan(q_columns), row}, {qkv.subspan(q_columns + kv_columns), row}};
}

template <class T>
Operands<T> matrices_of(const kernels::AttentionShape& s, std::span<T> q, std::span<T> k,
                        std::span<T> v) {
  const std::size_t q_columns = s.heads * s.head_dim, kv_columns = s.kv_heads * s.head_dim;
  return {{q, q_columns}, {k, kv_columns}, {v, kv_columns}};
}

template <class T>
Operands<const T> operands_of(const kernels::AttentionShape& s, std::span<const Tensor> in) {
  if (in.size() == 1) return columns_of(s, in[0].values<T>());
  return matrices_of(s, in[0].values<T>(), in[1].values<T>(), in[2].values<T>());
}

InlineVector<Tensor, 3> compact(std::span<const Tensor> in) {
  InlineVector<Tensor, 3> out;
  for (const Tensor& x : in) out.push_back(x.compact());
  return out;
}

Tensor forward(std::span<const Tensor> in, const Attrs& attrs, Kept& kept) {
  const kernels::AttentionShape s = shape_of(in, attrs.attention);
  const auto inputs = compact(in);
  return with_float(in[0].dtype(), "attention", [&]<class T>() {
    const Operands<const T> o = operands_of<T>(s, {inputs.data(), inputs.size()});
    TensorBuilder p({s.p_size() / s.p_stride(), s.p_stride()}, dtype_of<T>());
    const std::size_t columns = s.heads * s.head_dim;
    Tensor y = filled<T>({s.batch * s.queries, columns}, [&](std::span<T> out) {
      kernels::attention<T>(s, scale_of<T>(s, attrs.attention), o.q, o.k, o.v, p.values<T>(),
                            {out, columns});
    });
    kept.push_back(std::move(p).build());
    return y;
  });
}

Parts backward(const Saved& saved, const Tensor& dy) {
  const AttentionConfig& config = saved.attrs.attention;
  const kernels::AttentionShape s = shape_of(saved.inputs, config);
  const auto inputs = compact(saved.inputs);
  const Tensor g = dy.compact();
  return with_float(dy.dtype(), "attention", [&]<class T>() -> Parts {
    const std::span<const Tensor> in(inputs.data(), inputs.size());
    const Operands<const T> o = operands_of<T>(s, in);
    const auto run = [&](const Operands<T>& d) {
      kernels::attention_grad<T>(s, scale_of<T>(s, config), o.q, o.k, o.v,
                                 saved.kept[0].values<T>(), {g.values<T>(), dy.shape()[1]}, d.q,
                                 d.k, d.v);
    };
    if (in.size() == 1) {
      return {filled<T>(in[0].shape(), [&](std::span<T> dqkv) { run(columns_of(s, dqkv)); })};
    }
    TensorBuilder dk(in[1].shape(), dy.dtype()), dv(in[2].shape(), dy.dtype());
    Tensor dq = filled<T>(in[0].shape(), [&](std::span<T> d) {
      run(matrices_of(s, d, dk.values<T>(), dv.values<T>()));
    });
    return {std::move(dq), std::move(dk).build(), std::move(dv).build()};
  });
}

Sample sample(const Rng& rng) {
  const auto below = [&](std::uint64_t draw, std::uint64_t n) {
    return static_cast<std::size_t>(rng.stream("extents").below(draw, n));
  };
  const std::size_t kv_heads = 1 + below(0, 2), heads = kv_heads * (1 + below(1, 2));
  const std::size_t batch = 1 + below(2, 2), queries = 1 + below(3, 4), head_dim = 1 + below(4, 3);
  const Attrs attrs = {.attention = {.batch = batch,
                                     .heads = heads,
                                     .kv_heads = kv_heads,
                                     .causal = below(5, 2) == 0,
                                     .scale = below(6, 2) == 0 ? 0.5 : 0.0}};
  const auto normal = [&](const char* name, std::size_t rows, std::size_t columns) {
    return rng.stream(name).normal({rows, columns * head_dim}, Dtype::kF64);
  };
  if (below(7, 2) == 0) return {{normal("qkv", batch * queries, heads + 2 * kv_heads)}, attrs};
  const std::size_t keys = queries + below(8, 3);
  return {{normal("q", batch * queries, heads), normal("k", batch * keys, kv_heads),
           normal("v", batch * keys, kv_heads)},
          attrs};
}

}  // namespace

namespace ops {
extern const OpSpec attention = {"attention", kVariadic, forward, backward, sample};
}

Var attention(Var qkv, const AttentionConfig& config) {
  return qkv.tape().apply(ops::attention, {{qkv}}, {.attention = config});
}

Var attention(Var q, Var k, Var v, const AttentionConfig& config) {
  return q.tape().apply(ops::attention, {{q, k, v}}, {.attention = config});
}

}  // namespace palinode
