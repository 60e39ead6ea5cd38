#include "tensor/kernels/attention.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tensor/error.h"
#include "tensor/kernels/attention_table.h"
#include "tensor/parallel.h"
#include "tensor/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "tensor/kernels/attention-inl.h"
#include "tensor/kernels/fast-inl.h"
#include "tensor/kernels/math-inl.h"
#include "tensor/kernels/pack-inl.h"
#include "tensor/kernels/reduce-inl.h"
#include "tensor/kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace palinode::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Legend: i counts queries, j keys; [begin, end) are queries.

// How many keys query i sees.
inline std::size_t seen(const AttentionShape& s, std::size_t i) {
  return s.causal ? s.keys - s.queries + i + 1 : s.keys;
}

constexpr std::size_t round_up(std::size_t x, std::size_t step) {
  return (x + step - 1) / step * step;
}

// The rows of one head turned into panels of a tile's width, head_dim steps each.
template <class T>
std::size_t panels_size(std::size_t count, std::size_t depth) {
  return round_up(count, kHeadTileCols<T>) * depth;
}

template <class T>
void pack_panels(Lines<const T> rows, std::size_t count, std::size_t depth, T* to) {
  constexpr std::size_t kWidth = kHeadTileCols<T>;
  for (std::size_t j = 0; j < count; j += kWidth, to += kWidth * depth) {
    pack_panel(Panel<T>{rows.at(j), 1, rows.stride}, depth, std::min(kWidth, count - j), to,
               kWidth);
  }
}

// The rows of one head as whole vectors: themselves, or a copy with zeros after each.
template <class T>
std::size_t whole_rows_size(std::size_t count, std::size_t depth) {
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  return depth % kLanes == 0 ? 0 : count * round_up(depth, kLanes);
}

template <class T>
Lines<const T> whole_rows(Lines<const T> rows, std::size_t count, std::size_t depth, T* to) {
  if (whole_rows_size<T>(count, depth) == 0) return rows;
  const std::size_t width = round_up(depth, hn::MaxLanes(hn::ScalableTag<T>()));
  pack_panel(Panel<T>{rows.data, rows.stride, 1}, count, depth, to, width);
  return {to, width};
}

// c[i - begin, j] = a[i] . (the row j that was packed), for at least the keys that query i sees.
template <class T>
void dot_products(const AttentionShape& s, std::size_t begin, std::size_t end, Lines<const T> a,
                  const T* panels, Lines<T> c) {
  constexpr std::size_t kWidth = kHeadTileCols<T>;
  for_each_head_tile(begin, end, [&](std::size_t i, std::size_t rows) {
    const std::size_t n = seen(s, i + rows - 1);
    for (std::size_t j = 0; j < n; j += kWidth) {
      const std::size_t cols = n - j <= kWidth / 2 ? kWidth / 2 : kWidth;
      for (std::size_t p = 0; p < s.head_dim; p += kBlock) {
        run_head_tile<Reach::kAll, FactorOrder::kRow>(
            rows, Panel<T>{a.at(i) + p, 1, a.stride},
            Panel<T>{panels + j * s.head_dim + p * kWidth, kWidth, 1},
            std::min(kBlock, s.head_dim - p),
            TileOut<T>{c.at(i - begin) + j, c.stride, cols, nullptr, p == 0});
      }
    }
  });
}

// out[i] = the sum of w[i - begin, j] b[j] over the keys that query i sees. The queries of a tile
// have their last key in one block.
template <class T>
void sum_over_keys(const AttentionShape& s, std::size_t begin, std::size_t end, Lines<const T> w,
                   Lines<const T> b, Lines<T> out) {
  const auto tile = [&](std::size_t i, std::size_t rows) {
    const std::size_t n = seen(s, i + rows - 1);
    for (std::size_t p = 0; p < n; p += kBlock) {
      const std::size_t steps = std::min(kBlock, n - p);
      const Panel<T> factors = {w.at(i - begin) + p, 1, w.stride};
      const Panel<T> rows_of_b = {b.at(p), b.stride, 1};
      const TileOut<T> to = {out.at(i), out.stride, s.head_dim, nullptr, p == 0};
      if (s.causal && p + steps == n) {
        run_head_tile<Reach::kFalling, FactorOrder::kRow>(rows, factors, rows_of_b, steps, to);
      } else {
        run_head_tile<Reach::kAll, FactorOrder::kRow>(rows, factors, rows_of_b, steps, to);
      }
    }
  };
  std::size_t from = begin;
  while (from < end && s.causal) {
    const std::size_t cut = std::min(end, from + kBlock - (seen(s, from) - 1) % kBlock);
    for_each_head_tile(from, cut, tile);
    from = cut;
  }
  for_each_head_tile(from, end, tile);
}

// Adds to out[j] the sum of w[i - begin, j] b[i] over the queries of [begin, end), which are of one
// block, that see key j; stores it if it is the first of its sums.
template <class T>
void sum_over_queries(const AttentionShape& s, std::size_t begin, std::size_t end, bool first,
                      Lines<const T> w, Lines<const T> b, Lines<T> out) {
  const std::size_t before = s.keys - s.queries;  // causal: keys that every query sees
  const std::size_t common = s.causal ? before + begin : s.keys;
  for_each_head_tile(0, common, [&](std::size_t j, std::size_t rows) {
    run_head_tile<Reach::kAll, FactorOrder::kColumn>(
        rows, Panel<T>{w.data + j, w.stride, 1}, Panel<T>{b.at(begin), b.stride, 1}, end - begin,
        TileOut<T>{out.at(j), out.stride, s.head_dim, nullptr, first && begin == 0});
  });
  if (!s.causal) return;
  for_each_head_tile(common, before + end, [&](std::size_t j, std::size_t rows) {
    const std::size_t i = j - before;  // the first query that sees key j
    run_head_tile<Reach::kRising, FactorOrder::kColumn>(
        rows, Panel<T>{w.at(i - begin) + j, w.stride, 1}, Panel<T>{b.at(i), b.stride, 1}, end - i,
        TileOut<T>{out.at(j), out.stride, s.head_dim, nullptr, first});
  });
}

// x = the softmax of scale * x, in place.
template <bool kFastExp, class T>
HWY_NOINLINE void softmax_row(T scale, T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    access.store(d, hn::Mul(access.load(d, x + j), hn::Set(d, scale)), x + j);
  });
  const T m = max_of(x, n);
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto shifted = hn::Sub(access.load(d, x + j), hn::Set(d, m));
    if constexpr (kFastExp) {
      access.store(d, ExpFast(d, shifted), x + j);
    } else {
      access.store(d, Exp(d, shifted), x + j);
    }
  });
  const T total = sum_of(x, n);
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    access.store(d, hn::Div(access.load(d, x + j), hn::Set(d, total)), x + j);
  });
}

// g = scale * (the gradient by the scores), in place, from the gradient by p.
template <class T>
HWY_NOINLINE void softmax_grad_row(T scale, const T* p, T* g, std::size_t n) {
  const hn::ScalableTag<T> d;
  const T total = sum_each(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    return hn::Mul(access.load(d, g + j), access.load(d, p + j));
  });
  for_each_vector(d, n, [=](auto access, std::size_t j) HWY_ATTR {
    const auto centred = hn::Sub(access.load(d, g + j), hn::Set(d, total));
    const auto score = hn::Mul(access.load(d, p + j), centred);
    access.store(d, hn::Mul(score, hn::Set(d, scale)), g + j);
  });
}

template <class T>
void softmax_rows(const AttentionShape& s, T scale, Lines<T> p) {
  for (std::size_t i = 0; i < s.queries; ++i) {
    if constexpr (sizeof(T) == sizeof(float)) {
      if (s.fast_exp) {
        softmax_row<true>(scale, p.at(i), seen(s, i));
        continue;
      }
    }
    softmax_row<false>(scale, p.at(i), seen(s, i));
  }
}

template <class T>
void forward(const AttentionShape& s, T scale, const AttentionGroup<T>& group, T* scratch) {
  T* const panels = scratch;
  pack_panels(group.k, s.keys, s.head_dim, panels);
  const Lines<const T> v =
      whole_rows(group.v, s.keys, s.head_dim, scratch + panels_size<T>(s.keys, s.head_dim));
  for (std::size_t h = 0; h < s.heads / s.kv_heads; ++h) {
    const Lines<T> p = group.p.moved(h * s.queries * s.p_stride());
    dot_products(s, 0, s.queries, group.q.moved(h * s.head_dim), panels, p);
    softmax_rows(s, scale, p);
    sum_over_keys<T>(s, 0, s.queries, {p.data, p.stride}, v, group.out.moved(h * s.head_dim));
  }
}

template <class T>
void backward(const AttentionShape& s, T scale, const AttentionGradGroup<T>& group, T* scratch) {
  T* const panels = scratch;
  scratch += panels_size<T>(s.keys, s.head_dim);
  pack_panels(group.v, s.keys, s.head_dim, panels);
  const Lines<T> ds = {scratch, s.p_stride()};
  scratch += std::min(s.queries, kBlock) * s.p_stride();
  const Lines<const T> k = whole_rows(group.k, s.keys, s.head_dim, scratch);
  T* const q_copy = scratch + whole_rows_size<T>(s.keys, s.head_dim);
  T* const g_copy = q_copy + whole_rows_size<T>(s.queries, s.head_dim);
  for (std::size_t h = 0; h < s.heads / s.kv_heads; ++h) {
    const std::size_t column = h * s.head_dim;
    const Lines<const T> q = whole_rows(group.q.moved(column), s.queries, s.head_dim, q_copy);
    const Lines<const T> g = whole_rows(group.g.moved(column), s.queries, s.head_dim, g_copy);
    const Lines<const T> p = group.p.moved(h * s.queries * s.p_stride());
    for (std::size_t begin = 0; begin < s.queries; begin += kBlock) {
      const std::size_t end = std::min(s.queries, begin + kBlock);
      dot_products(s, begin, end, group.g.moved(column), panels, ds);
      for (std::size_t i = begin; i < end; ++i) {
        softmax_grad_row(scale, p.at(i), ds.at(i - begin), seen(s, i));
      }
      const Lines<const T> w = {ds.data, ds.stride};
      sum_over_keys(s, begin, end, w, k, group.dq.moved(column));
      sum_over_queries(s, begin, end, h == 0, w, q, group.dk);
      sum_over_queries(s, begin, end, h == 0, p.moved(begin * p.stride), g, group.dv);
    }
  }
}

// Scratch values of one group, for either direction.
template <class T>
std::size_t scratch_size(const AttentionShape& s) {
  return panels_size<T>(s.keys, s.head_dim) + std::min(s.queries, kBlock) * s.p_stride() +
         whole_rows_size<T>(s.keys, s.head_dim) + 2 * whole_rows_size<T>(s.queries, s.head_dim);
}

template <class T>
AttentionTable<T> make_table() {
  return {.forward = forward<T>, .backward = backward<T>, .scratch_size = scratch_size<T>};
}

AttentionTable<float> attention_f32() { return make_table<float>(); }
AttentionTable<double> attention_f64() { return make_table<double>(); }

}  // namespace
}  // namespace palinode::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace palinode::kernels {
namespace {

HWY_EXPORT(attention_f32);
HWY_EXPORT(attention_f64);

AttentionTable<float> table(float) { return HWY_DYNAMIC_DISPATCH(attention_f32)(); }
AttentionTable<double> table(double) { return HWY_DYNAMIC_DISPATCH(attention_f64)(); }

// Multiplications per thread that are worth waking it for.
constexpr std::size_t kMinPerThread = std::size_t{1} << 18;

void check(const AttentionShape& s) {
  PALINODE_ASSERT(s.batch > 0 && s.queries > 0 && s.keys > 0 && s.head_dim > 0);
  PALINODE_ASSERT(s.kv_heads > 0 && s.heads > 0 && s.heads % s.kv_heads == 0);
  PALINODE_ASSERT(!s.causal || s.keys >= s.queries);
}

// Whether `rows` rows of `heads` heads fit.
template <class T>
bool fits(const HeadRows<T>& x, std::size_t rows, std::size_t heads, std::size_t head_dim) {
  return x.row_stride >= heads * head_dim &&
         (rows - 1) * x.row_stride + heads * head_dim <= x.data.size();
}

template <class T>
bool fits_queries(const AttentionShape& s, const HeadRows<T>& x) {
  return fits(x, s.batch * s.queries, s.heads, s.head_dim);
}

template <class T>
bool fits_keys(const AttentionShape& s, const HeadRows<T>& x) {
  return fits(x, s.batch * s.keys, s.kv_heads, s.head_dim);
}

// Calls body(scratch, b, g) for each sequence b and head g of keys and values. Threads share them
// out.
template <class T, class Body>
void for_each_group(const AttentionShape& s, const AttentionTable<T>& kernel, const Body& body) {
  const std::size_t work = s.heads / s.kv_heads * s.queries * s.keys * s.head_dim;
  const auto range = [&](std::size_t begin, std::size_t end) {
    PoolVector<T> scratch(kernel.scratch_size(s));
    for (std::size_t x = begin; x < end; ++x) body(scratch.data(), x / s.kv_heads, x % s.kv_heads);
  };
  parallel_for(s.batch * s.kv_heads, kMinPerThread / work + 1, std::ref(range));
}

// The first head of group g in sequence b.
template <class T>
Lines<T> queries_of(const AttentionShape& s, const HeadRows<T>& x, std::size_t b, std::size_t g) {
  const std::size_t column = g * (s.heads / s.kv_heads) * s.head_dim;
  return {x.data.data() + b * s.queries * x.row_stride + column, x.row_stride};
}

template <class T>
Lines<T> keys_of(const AttentionShape& s, const HeadRows<T>& x, std::size_t b, std::size_t g) {
  return {x.data.data() + b * s.keys * x.row_stride + g * s.head_dim, x.row_stride};
}

template <class T>
Lines<T> probabilities_of(const AttentionShape& s, std::span<T> p, std::size_t b, std::size_t g) {
  const std::size_t head = b * s.heads + g * (s.heads / s.kv_heads);
  return {p.data() + head * s.queries * s.p_stride(), s.p_stride()};
}

}  // namespace

template <class T>
void attention(const AttentionShape& shape, T scale, HeadRows<const T> q, HeadRows<const T> k,
               HeadRows<const T> v, std::span<T> p, HeadRows<T> out) {
  check(shape);
  PALINODE_ASSERT(fits_queries(shape, q) && fits_keys(shape, k) && fits_keys(shape, v));
  PALINODE_ASSERT(p.size() == shape.p_size() && fits_queries(shape, out));
  const AttentionTable<T> kernel = table(T{});
  for_each_group(shape, kernel, [&](T* scratch, std::size_t b, std::size_t g) {
    const AttentionGroup<T> group = {.q = queries_of(shape, q, b, g),
                                     .k = keys_of(shape, k, b, g),
                                     .v = keys_of(shape, v, b, g),
                                     .p = probabilities_of(shape, p, b, g),
                                     .out = queries_of(shape, out, b, g)};
    kernel.forward(shape, scale, group, scratch);
  });
}

template <class T>
void attention_grad(const AttentionShape& shape, T scale, HeadRows<const T> q, HeadRows<const T> k,
                    HeadRows<const T> v, std::span<const T> p, HeadRows<const T> g, HeadRows<T> dq,
                    HeadRows<T> dk, HeadRows<T> dv) {
  check(shape);
  PALINODE_ASSERT(fits_queries(shape, q) && fits_keys(shape, k) && fits_keys(shape, v));
  PALINODE_ASSERT(p.size() == shape.p_size() && fits_queries(shape, g));
  PALINODE_ASSERT(fits_queries(shape, dq) && fits_keys(shape, dk) && fits_keys(shape, dv));
  const AttentionTable<T> kernel = table(T{});
  for_each_group(shape, kernel, [&](T* scratch, std::size_t b, std::size_t group) {
    const AttentionGradGroup<T> pointers = {.q = queries_of(shape, q, b, group),
                                            .k = keys_of(shape, k, b, group),
                                            .v = keys_of(shape, v, b, group),
                                            .p = probabilities_of(shape, p, b, group),
                                            .g = queries_of(shape, g, b, group),
                                            .dq = queries_of(shape, dq, b, group),
                                            .dk = keys_of(shape, dk, b, group),
                                            .dv = keys_of(shape, dv, b, group)};
    kernel.backward(shape, scale, pointers, scratch);
  });
}

#define PALINODE_ATTENTION(T)                                                                  \
  template void attention(const AttentionShape&, T, HeadRows<const T>, HeadRows<const T>,      \
                          HeadRows<const T>, std::span<T>, HeadRows<T>);                       \
  template void attention_grad(const AttentionShape&, T, HeadRows<const T>, HeadRows<const T>, \
                               HeadRows<const T>, std::span<const T>, HeadRows<const T>,       \
                               HeadRows<T>, HeadRows<T>, HeadRows<T>)
PALINODE_ATTENTION(float);
PALINODE_ATTENTION(double);
#undef PALINODE_ATTENTION

}  // namespace palinode::kernels
#endif  // HWY_ONCE
