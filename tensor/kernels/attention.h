// Scaled dot-product attention of several heads (Vaswani et al., arXiv:1706.03762, equation 1),
// with fewer heads of keys and values than of queries if asked for (Ainslie et al.,
// arXiv:2305.13245); docs/arithmetic.md, section 6c.
//
// Row r of a HeadRows is one position's values of all heads, head h in the columns [h * head_dim,
// (h + 1) * head_dim); q, k and v may be column ranges of one matrix. Position i of sequence b is
// row b * queries + i, for keys and values b * keys + j. Outputs are disjoint from inputs.
#pragma once

#include <cstddef>
#include <span>

namespace palinode::kernels {

struct AttentionShape {
  std::size_t batch = 0, queries = 0, keys = 0;
  std::size_t heads = 0, kv_heads = 0;  // heads is a multiple of kv_heads
  std::size_t head_dim = 0;
  bool causal = false;    // query i sees the keys 0 to keys - queries + i; needs keys >= queries
  bool fast_exp = false;  // f32: exp_fast in place of the correctly rounded exp

  // Of the probabilities: queries rows for each head of each sequence, their stride, their number.
  std::size_t p_stride() const { return (keys + 31) / 32 * 32; }
  std::size_t p_size() const { return batch * heads * queries * p_stride(); }
};

// T is float, double, or either const.
template <class T>
struct HeadRows {
  std::span<T> data;
  std::size_t row_stride = 0;
};

// out[b,i,h] = sum over the keys j that i sees of p[b,h,i,j] v[b,j,g], where g = h / (heads /
// kv_heads) and p[b,h,i] is the softmax of scale * (q[b,i,h] . k[b,j,g]) over those j. p, of
// p_size() values, is left for the gradient; what is behind the keys that a row sees is
// unspecified.
template <class T>
void attention(const AttentionShape& shape, T scale, HeadRows<const T> q, HeadRows<const T> k,
               HeadRows<const T> v, std::span<T> p, HeadRows<T> out);

// The gradients by q, k and v, where g has the shape of `out`. With `ds` the gradient by the
// scaled scores and the sums over what is seen:
//   dq[b,i,h] = sum over j of (scale * ds[b,h,i,j]) k[b,j,g]
//   dk[b,j,g] = sum over the heads h of g, and i, of (scale * ds[b,h,i,j]) q[b,i,h]
//   dv[b,j,g] = sum over the same of p[b,h,i,j] g[b,i,h]
template <class T>
void attention_grad(const AttentionShape& shape, T scale, HeadRows<const T> q, HeadRows<const T> k,
                    HeadRows<const T> v, std::span<const T> p, HeadRows<const T> g, HeadRows<T> dq,
                    HeadRows<T> dk, HeadRows<T> dv);

}  // namespace palinode::kernels
