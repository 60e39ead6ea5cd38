#include <fmt/format.h>

#include <initializer_list>

#include "bench/case.h"
#include "bench/limits.h"
#include "experiments/precision/blas_peers.h"
#include "tensor/kernels/matmul.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

using experiments::precision::blas_peers;
using experiments::precision::BlasPeer;
using experiments::precision::GemmCall;

using Sizes = std::initializer_list<std::size_t>;

struct Product {
  std::size_t m, n, k;
  std::size_t threads = 1;
  bool a_transposed = false, b_transposed = false;
};

template <class T>
struct Operands {
  explicit Operands(const Product& q) : product(q), a(q.m * q.k), b(q.k * q.n), c(q.m * q.n) {}

  void ours() const {
    const auto& [m, n, k, threads, a_t, b_t] = product;
    kernels::matmul<T>({a.in(), m, k, a_t ? 1 : k, a_t ? m : 1},
                       {b.in(), k, n, b_t ? 1 : n, b_t ? k : 1}, {}, c.out());
  }

  GemmCall<T> call() const {
    const auto& [m, n, k, threads, a_t, b_t] = product;
    const auto narrow = [](std::size_t x) { return static_cast<int>(x); };
    return {.a_transposed = a_t,
            .b_transposed = b_t,
            .m = narrow(m),
            .n = narrow(n),
            .k = narrow(k),
            .a = a.in().data(),
            .a_line = narrow(a_t ? m : k),
            .b = b.in().data(),
            .b_line = narrow(b_t ? k : n),
            .c = c.out().data()};
  }

  Product product;
  Buffer<T> a, b, c;
};

template <class T>
std::vector<Contender> contenders(const Product& q) {
  set_threads(q.threads);
  const Operands<T> operands(q);
  std::vector<Contender> list;
  list.push_back({.name = "Palinode", .run = [operands] { operands.ours(); }});
  for (const BlasPeer& peer : blas_peers()) {
    peer.set_threads(static_cast<int>(q.threads));
    const auto add = [&](const std::string& name, const auto& function) {
      list.push_back({.name = name,
                      .variant = peer.variant,
                      .automatic = peer.automatic,
                      .run = [operands, &function] { function(operands.call()); }});
    };
    if constexpr (std::is_same_v<T, float>) {
      add(peer.name, peer.sgemm);
      if (q.m == 1 && peer.sgemv) add(peer.name + " gemv", peer.sgemv);
    } else if (peer.dgemm) {
      add(peer.name, peer.dgemm);
    }
  }
  list.push_back(fma_limit<T>(q.threads));
  return list;
}

template <class T>
Case product_case(const Product& q, std::vector<Bar> bars = {}) {
  const char* threads = q.threads == 1 ? "1 thread" : "2 threads";
  const char* form = q.a_transposed ? (q.b_transposed ? ", a^T b^T" : ", a^T b")
                                    : (q.b_transposed ? ", a b^T" : "");
  return {.what = fmt::format("matmul {} {}x{}x{}{}, {}", sizeof(T) == 4 ? "f32" : "f64", q.m, q.n,
                              q.k, form, threads),
          .unit = Unit::kGflops,
          .work = 2.0 * static_cast<double>(q.m * q.n * q.k),
          .threads = q.threads,
          .make = [q] { return contenders<T>(q); },
          .bars = std::move(bars)};
}

Bar best_openblas(double least) {
  return {"OpenBLAS", "best", least,
          fmt::format("{:.0f} % of OpenBLAS's best core type", least * 100)};
}

// On the reference machine OpenBLAS chose its Zen kernels. A bar that follows from their figure is
// one against the same kernels, for on another processor its choice may be twice as fast.
constexpr char kReferenceChoice[] = "Zen";

// The figures of the reference machine: what is asked of us, and what the rivals have, in GFLOP/s.
std::vector<Bar> cube_64_bars() {
  return {{"OpenBLAS", "best", 79.0 / 79, "79 GFLOP/s where its best core type has 79"},
          {"OpenBLAS", kReferenceChoice, 79.0 / 65, "79 GFLOP/s where this core type has 65"}};
}
std::vector<Bar> batch_1_bars(double bar, double gemm, double gemv) {
  return {{"OpenBLAS", kReferenceChoice, bar / gemm,
           fmt::format("{} GFLOP/s where gemm has {}", bar, gemm)},
          {"OpenBLAS gemv", "best", bar / gemv,
           fmt::format("{} GFLOP/s where gemv has {}", bar, gemv)}};
}

}  // namespace

std::vector<Case> matmul_cases() {
  std::vector<Case> list;
  list.push_back(product_case<float>({64, 64, 64}, cube_64_bars()));
  for (const std::size_t n : Sizes{128, 256, 512, 1024}) {
    list.push_back(product_case<float>({n, n, n}, {best_openblas(0.97)}));
  }
  for (const Product& q : {Product{64, 512, 512}, {256, 768, 768}, {256, 3072, 768}}) {
    list.push_back(product_case<float>(q, {best_openblas(0.97)}));
  }
  for (const std::size_t n : Sizes{512, 1024}) {
    list.push_back(product_case<float>({n, n, n, 2}, {best_openblas(0.95)}));
  }
  list.push_back(product_case<float>({1, 768, 768}, batch_1_bars(20, 7.7, 32)));
  list.push_back(product_case<float>({1, 768, 768, 2}, batch_1_bars(30, 12.6, 43)));
  for (const bool a_t : {false, true}) {
    for (const bool b_t : {false, true}) {
      if (a_t || b_t) list.push_back(product_case<float>({512, 512, 512, 1, a_t, b_t}));
    }
  }
  for (const std::size_t n : Sizes{256, 512}) list.push_back(product_case<double>({n, n, n}));
  return list;
}

}  // namespace palinode::bench
