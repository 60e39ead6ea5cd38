// Attention at the sizes of two small GPTs, against the same thing put together from batched
// products and the causal softmax, which is given its heads ready to use.
#include <fmt/format.h>

#include <cmath>

#include "bench/case.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/softmax.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

using namespace kernels;

struct Size {
  const char* name;
  std::size_t batch, time, heads, head_dim;

  std::size_t products() const { return batch * heads; }
  std::size_t values() const { return products() * time * head_dim; }
  std::size_t scores() const { return products() * time * time; }
  float scale() const { return 1 / std::sqrt(static_cast<float>(head_dim)); }
};

constexpr Size kSizes[] = {{"16 x 64 tokens, 4 heads of 32", 16, 64, 4, 32},
                           {"8 x 128 tokens, 4 heads of 64", 8, 128, 4, 64}};

// The fused kernel on a packed qkv.
struct Fused {
  Fused(const Size& size, bool fast)
      : scale(size.scale()),
        shape{size.batch, size.time, size.time, size.heads, size.heads, size.head_dim, true, fast},
        row(3 * size.heads * size.head_dim),
        qkv(3 * size.values()),
        dqkv(3 * size.values()),
        g(size.values()),
        out(size.values()),
        p(shape.p_size()) {}

  template <class T>
  HeadRows<T> part(std::span<T> x, std::size_t which) const {
    return {x.subspan(which * row / 3), row};
  }
  void forward() const {
    attention<float>(shape, scale, part(qkv.in(), 0), part(qkv.in(), 1), part(qkv.in(), 2), p.out(),
                     {out.out(), row / 3});
  }
  void backward() const {
    attention_grad<float>(shape, scale, part(qkv.in(), 0), part(qkv.in(), 1), part(qkv.in(), 2),
                          p.in(), {g.in(), row / 3}, part(dqkv.out(), 0), part(dqkv.out(), 1),
                          part(dqkv.out(), 2));
  }

  float scale;
  AttentionShape shape;
  std::size_t row;
  Buffer<float> qkv, dqkv, g, out, p;
};

// The same from kernels of their own, on q, k, v [sequences * heads, time, head_dim].
struct Composed {
  explicit Composed(const Size& of)
      : size(of),
        q(size.values()),
        k(size.values()),
        v(size.values()),
        g(size.values()),
        out(size.values()),
        p(size.scores(), 0, 1),
        scores(size.scores()) {}

  // c[x] = a[x] b[x], where a is [rows, cols] and b [cols, b_cols], or its transpose as it lies.
  void product(const Buffer<float>& a, std::size_t rows, std::size_t cols, bool a_turned,
               const Buffer<float>& b, std::size_t b_cols, bool b_turned,
               const Buffer<float>& c) const {
    const MatrixView<float> left{a.in(), rows, cols, a_turned ? 1 : cols, a_turned ? rows : 1};
    const MatrixView<float> right{b.in(), cols, b_cols, b_turned ? 1 : b_cols, b_turned ? cols : 1};
    batched_matmul<float>(size.products(), left, rows * cols, right, cols * b_cols, c.out());
  }
  void forward() const {
    const std::size_t n = size.time, d = size.head_dim;
    product(q, n, d, false, k, n, true, scores);
    scale<float>(scores.in(), size.scale(), scores.out());
    causal_softmax<float>(scores.in(), size.products() * n, n, p.out());
    product(p, n, n, false, v, d, false, out);
  }
  void backward() const {
    const std::size_t n = size.time, d = size.head_dim;
    product(g, n, d, false, v, n, true, scores);
    causal_softmax_grad<float>(scores.in(), p.in(), size.products() * n, n, ds.out());
    scale<float>(ds.in(), size.scale(), ds.out());
    product(ds, n, n, false, k, d, false, out);
    product(ds, n, n, true, q, d, false, out);
    product(p, n, n, true, g, d, false, out);
  }

  Size size;
  Buffer<float> q, k, v, g, out, p, scores, ds{size.scores()};
};

Case attention_case(const Size& size, bool fast, bool backward) {
  const char* kind = backward ? " gradient" : fast ? ", fast exp" : "";
  return {.what = fmt::format("attention{} f32 {}", kind, size.name),
          .unit = Unit::kMilliseconds,
          .work = 1,
          .make = [=]() -> std::vector<Contender> {
            set_threads(1);
            const Fused fused(size, fast);
            const Composed composed(size);
            const auto run = [=](const auto& one) {
              return [=] { backward ? one.backward() : one.forward(); };
            };
            fused.forward();
            composed.forward();
            return {{.name = "Palinode", .run = run(fused)},
                    {.name = "composition", .run = run(composed)}};
          }};
}

}  // namespace

std::vector<Case> attention_cases() {
  std::vector<Case> list;
  for (const Size& size : kSizes) {
    list.push_back(attention_case(size, false, false));
    list.push_back(attention_case(size, true, false));
    list.push_back(attention_case(size, false, true));
  }
  return list;
}

}  // namespace palinode::bench
