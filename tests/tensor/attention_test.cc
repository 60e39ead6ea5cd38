#include "tensor/kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "tensor/parallel.h"
#include "tests/support/bits.h"
#include "tests/support/oracle_attention.h"

namespace palinode::kernels {
namespace {

using Sizes = std::initializer_list<std::size_t>;

enum class Data { kRandom, kHostile, kWithNan };

template <class T>
std::vector<T> values_of(Data data, std::size_t n, std::uint64_t seed) {
  if (data == Data::kRandom) return oracle::random_values<T>(n, seed);
  return oracle::hostile_values<T>(n, seed, data == Data::kWithNan);
}

// q beside other columns; k and v in one matrix, as in a packed qkv, with a gap behind them.
template <class T>
struct Problem {
  explicit Problem(const AttentionShape& s, Data data = Data::kRandom)
      : shape(s),
        q_row(s.heads * s.head_dim + 3),
        kv_row(2 * s.kv_heads * s.head_dim + 1),
        q(values_of<T>(data, s.batch * s.queries * q_row, 1)),
        kv(values_of<T>(data, s.batch * s.keys * kv_row, 2)),
        g(values_of<T>(data, s.batch * s.queries * q_row, 3)) {}

  std::size_t v_column() const { return shape.kv_heads * shape.head_dim; }
  HeadRows<const T> k() const { return {kv, kv_row}; }
  HeadRows<const T> v() const { return {std::span<const T>(kv).subspan(v_column()), kv_row}; }

  AttentionShape shape;
  T scale = T(0.3);
  std::size_t q_row, kv_row;
  std::vector<T> q, kv, g;
};

// All results; what lies between the columns keeps its 7.
template <class T>
struct Results {
  explicit Results(const Problem<T>& o)
      : out(o.q.size(), T{7}), dq(o.q.size(), T{7}), dkv(o.kv.size(), T{7}) {}

  void expect_same(const Results& want) const {
    EXPECT_SAME_BITS(out, want.out) << "out";
    EXPECT_SAME_BITS(dq, want.dq) << "dq";
    EXPECT_SAME_BITS(dkv, want.dkv) << "dk, dv";
  }

  std::vector<T> out, dq, dkv;
};

template <class T>
Results<T> by_kernel(const Problem<T>& o) {
  Results<T> r(o);
  std::vector<T> p(o.shape.p_size(), std::numeric_limits<T>::quiet_NaN());
  attention<T>(o.shape, o.scale, {o.q, o.q_row}, o.k(), o.v(), p, {r.out, o.q_row});
  attention_grad<T>(o.shape, o.scale, {o.q, o.q_row}, o.k(), o.v(), p, {o.g, o.q_row},
                    {r.dq, o.q_row}, {r.dkv, o.kv_row},
                    {std::span<T>(r.dkv).subspan(o.v_column()), o.kv_row});
  return r;
}

template <class T>
void one_sequence(const Problem<T>& o, std::size_t b, Results<T>& r) {
  const AttentionShape& s = o.shape;
  const auto q_at = [&](std::size_t i, std::size_t h, std::size_t d) {
    return (b * s.queries + i) * o.q_row + h * s.head_dim + d;
  };
  const auto k_at = [&](std::size_t j, std::size_t g, std::size_t d) {
    return (b * s.keys + j) * o.kv_row + g * s.head_dim + d;
  };
  const auto q = [&](auto... at) { return o.q[q_at(at...)]; };
  const auto g = [&](auto... at) { return o.g[q_at(at...)]; };
  const auto k = [&](auto... at) { return o.kv[k_at(at...)]; };
  const auto v = [&](auto... at) { return o.kv[k_at(at...) + o.v_column()]; };
  oracle::Attention<T> a{s.queries, s.keys,     s.heads, s.kv_heads, s.head_dim,
                         s.causal,  s.fast_exp, o.scale, {},         {}};
  a.forward(q, k);
  a.score_gradients(v, g);
  for (std::size_t d = 0; d < s.head_dim; ++d) {
    for (std::size_t h = 0; h < s.heads; ++h) {
      for (std::size_t i = 0; i < s.queries; ++i) {
        r.out[q_at(i, h, d)] = a.over_keys(a.p, v, i, h, d);
        r.dq[q_at(i, h, d)] = a.over_keys(a.ds, k, i, h, d);
      }
    }
    for (std::size_t n = 0; n < s.kv_heads; ++n) {
      for (std::size_t j = 0; j < s.keys; ++j) {
        r.dkv[k_at(j, n, d)] = a.over_queries(a.ds, q, j, n, d);
        r.dkv[k_at(j, n, d) + o.v_column()] = a.over_queries(a.p, g, j, n, d);
      }
    }
  }
}

template <class T>
Results<T> by_definition(const Problem<T>& o) {
  Results<T> r(o);
  for (std::size_t b = 0; b < o.shape.batch; ++b) one_sequence(o, b, r);
  return r;
}

template <class T>
class Attention : public testing::Test {
 protected:
  static void check(const AttentionShape& s, Data data = Data::kRandom) {
    SCOPED_TRACE(testing::Message() << s.queries << " queries, " << s.keys << " keys, " << s.heads
                                    << "/" << s.kv_heads << " heads of " << s.head_dim
                                    << (s.causal ? ", causal" : "") << ", data " << int(data));
    const Problem<T> problem(s, data);
    const Results<T> want = by_definition(problem);
    for_each_simd([&] { by_kernel(problem).expect_same(want); });
  }
};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Attention, Types);

TYPED_TEST(Attention, HasTheBitsOfItsDefinition) {
  for (const bool causal : {false, true}) {
    for (const std::size_t n : Sizes{1, 2, 7, 17, 64, 65}) {
      this->check({1, n, n, 2, 2, 8, causal});
    }
    for (const std::size_t depth : Sizes{1, 2, 31, 32, 33, 64}) {
      this->check({2, 17, 17, 1, 1, depth, causal});
    }
    this->check({1, 5, 6, 1, 1, 300, causal});
  }
}

TYPED_TEST(Attention, HeadsShareKeysAndValues) {
  for (const bool causal : {false, true}) {
    this->check({2, 9, 9, 4, 2, 8, causal});
    this->check({1, 20, 20, 6, 1, 5, causal});
  }
}

TYPED_TEST(Attention, FewQueriesSeeManyKeys) {
  for (const bool causal : {false, true}) {
    this->check({1, 1, 65, 2, 1, 8, causal});
    this->check({2, 3, 17, 2, 2, 4, causal});
    this->check({1, 30, 64, 1, 1, 4, causal});
  }
  this->check({1, 9, 4, 1, 1, 4, false});
}

TYPED_TEST(Attention, CutsSumsInBlocksOf256Places) {
  for (const bool causal : {false, true}) {
    this->check({1, 520, 520, 1, 1, 1, causal});
    this->check({1, 261, 515, 2, 1, 1, causal});
    this->check({1, 3, 257, 1, 1, 2, causal});
    this->check({1, 258, 259, 1, 1, 1, causal});
  }
}

TYPED_TEST(Attention, SurvivesHostileValues) {
  for (const bool causal : {false, true}) {
    for (const Data data : {Data::kHostile, Data::kWithNan}) {
      this->check({1, 20, 20, 2, 1, 3, causal}, data);
      this->check({1, 7, 40, 1, 1, 17, causal}, data);
      this->check({3, 4, 4, 2, 2, 1, causal}, data);
    }
  }
}

TEST(Attention, TakesTheFastExponentialWhereItIsAskedFor) {
  const Problem<float> problem({1, 33, 40, 2, 1, 16, true, true});
  const Results<float> want = by_definition(problem);
  for_each_simd([&] { by_kernel(problem).expect_same(want); });
  Problem<float> rounded = problem;
  rounded.shape.fast_exp = false;
  EXPECT_FALSE(same_bits(by_kernel(problem).out, by_kernel(rounded).out));
}

TYPED_TEST(Attention, ALaterPositionCannotBeFelt) {
  using T = TypeParam;
  const AttentionShape shape{1, 40, 40, 2, 1, 8, true};
  Problem<T> problem(shape);
  const Results<T> before = by_kernel(problem);
  const std::size_t last = 39;
  for (std::size_t c = 0; c < problem.kv_row; ++c) {
    problem.kv[last * problem.kv_row + c] = std::numeric_limits<T>::quiet_NaN();
  }
  const Results<T> after = by_kernel(problem);
  const std::size_t earlier = last * problem.q_row;
  EXPECT_SAME_BITS(std::span(after.out).first(earlier), std::span(before.out).first(earlier));
  EXPECT_SAME_BITS(std::span(after.dq).first(earlier), std::span(before.dq).first(earlier));
}

TYPED_TEST(Attention, ThreadsDoNotChangeABit) {
  using T = TypeParam;
  const std::size_t before = threads();
  const Problem<T> problem({5, 64, 64, 4, 2, 16, true});
  set_threads(1);
  const Results<T> one = by_kernel(problem);
  for (const std::size_t used : Sizes{2, 3, 7}) {
    set_threads(used);
    by_kernel(problem).expect_same(one);
  }
  set_threads(before);
}

TEST(AttentionDeathTest, CausalQueriesNeedAsManyKeys) {
  std::vector<float> x(64);
  const AttentionShape shape{1, 3, 2, 1, 1, 1, true};
  EXPECT_DEATH(attention<float>(shape, 1.0F, {x, 1}, {x, 1}, {x, 1},
                                std::span<float>(x).first(shape.p_size()), {x, 1}),
               "broken invariant");
}

}  // namespace
}  // namespace palinode::kernels
