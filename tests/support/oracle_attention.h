// Section 6c of docs/arithmetic.md once more: one value at a time, written from that page alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "tests/support/fast_oracle.h"
#include "tests/support/oracle.h"

namespace palinode::oracle {

// Section 2's sum, of which some places may be left out: the chains of blocks are added in order.
template <class T>
class BlockSum {
 public:
  // `block` counts blocks; a new one begins where it changes.
  void add(std::size_t block, T a, T b) {
    if (!any_ || block != block_) close();
    any_ = true;
    block_ = block;
    acc_ = std::fma(a, b, acc_);
  }
  T total() {
    close();
    return total_;
  }

 private:
  void close() {
    if (any_) total_ = first_ ? acc_ : total_ + acc_;
    if (any_) first_ = false;
    acc_ = 0;
    any_ = false;
  }

  T total_ = 0, acc_ = 0;
  bool first_ = true, any_ = false;
  std::size_t block_ = 0;
};

// One sequence. Tensors are functions: q(i, h, d), k(j, g, d), v(j, g, d), G(i, h, d).
template <class T>
struct Attention {
  std::size_t queries, keys, heads, kv_heads, depth;
  bool causal, fast;
  T scale;
  std::vector<T> p, ds;  // [heads, queries, keys]; +0 where not seen

  bool sees(std::size_t i, std::size_t j) const { return !causal || j <= keys - queries + i; }
  std::size_t group(std::size_t h) const { return h / (heads / kv_heads); }
  std::size_t at(std::size_t h, std::size_t i, std::size_t j) const {
    return (h * queries + i) * keys + j;
  }

  template <class A, class B>
  T dot(const A& a, const B& b) const {
    BlockSum<T> sum;
    for (std::size_t d = 0; d < depth; ++d) sum.add(d / 256, a(d), b(d));
    return sum.total();
  }

  T exponential(T x) const {
    if constexpr (std::is_same_v<T, float>) {
      if (fast) return exp_fast(x);
    }
    return oracle::exp(x);
  }

  template <class Q, class K>
  void forward(const Q& q, const K& k) {
    p.assign(heads * queries * keys, T{0});
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t i = 0; i < queries; ++i) {
        std::vector<T> s;
        for (std::size_t j = 0; j < keys && sees(i, j); ++j) {
          s.push_back(dot([&](std::size_t d) { return q(i, h, d); },
                          [&](std::size_t d) { return k(j, group(h), d); }) *
                      scale);
        }
        const T m = max(std::span<const T>(s));
        std::vector<T> e;
        for (const T x : s) e.push_back(exponential(x - m));
        const T total = sum(std::span<const T>(e));
        for (std::size_t j = 0; j < e.size(); ++j) p[at(h, i, j)] = e[j] / total;
      }
    }
  }

  template <class V, class G>
  void score_gradients(const V& v, const G& g) {
    ds.assign(heads * queries * keys, T{0});
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t i = 0; i < queries; ++i) {
        std::vector<T> dp, products;
        for (std::size_t j = 0; j < keys && sees(i, j); ++j) {
          dp.push_back(dot([&](std::size_t d) { return g(i, h, d); },
                           [&](std::size_t d) { return v(j, group(h), d); }));
          products.push_back(dp[j] * p[at(h, i, j)]);
        }
        const T total = sum(std::span<const T>(products));
        for (std::size_t j = 0; j < dp.size(); ++j) {
          ds[at(h, i, j)] = (p[at(h, i, j)] * (dp[j] - total)) * scale;
        }
      }
    }
  }

  // One value of out (weights p, rows v) or dq (weights ds, rows k).
  template <class Rows>
  T over_keys(const std::vector<T>& w, const Rows& rows, std::size_t i, std::size_t h,
              std::size_t d) const {
    BlockSum<T> sum;
    for (std::size_t j = 0; j < keys && sees(i, j); ++j) {
      sum.add(j / 256, w[at(h, i, j)], rows(j, group(h), d));
    }
    return sum.total();
  }

  // One value of dk (weights ds, rows q) or dv (weights p, rows G).
  template <class Rows>
  T over_queries(const std::vector<T>& w, const Rows& rows, std::size_t j, std::size_t g,
                 std::size_t d) const {
    BlockSum<T> sum;
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t i = 0; group(h) == g && i < queries; ++i) {
        if (sees(i, j)) sum.add(h * queries + i / 256, w[at(h, i, j)], rows(i, h, d));
      }
    }
    return sum.total();
  }
};

}  // namespace palinode::oracle
