#include "experiments/precision/products.h"

#include <cmath>

#include "experiments/precision/blas_peers.h"
#include "experiments/precision/errors.h"
#include "experiments/precision/families.h"
#include "experiments/precision/sums.h"
#include "experiments/precision/timing.h"
#include "tensor/digest.h"
#include "tensor/kernels/matmul.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"

namespace palinode::experiments::precision {
namespace {

using Json = nlohmann::ordered_json;
using In = std::span<const float>;
using Out = std::span<float>;

struct Contestant {
  std::string name;
  bool ours;
  std::function<void(In a, In b, Out c)> run;
  double roundings;  // of the bound
  double given = 0;  // what the inputs' own rounding adds to it
};

template <class T>
kernels::MatrixView<T> square(std::span<const T> x, std::size_t n) {
  return {x, n, n, n, 1};
}

template <class T>
void our_product(std::span<const T> a, std::span<const T> b, std::span<T> c, std::size_t n) {
  kernels::matmul<T>(square(a, n), square(b, n), {}, c);
}

std::vector<double> widened(In x, bool absolute) {
  std::vector<double> out(x.begin(), x.end());
  for (double& value : out) value = absolute ? std::abs(value) : value;
  return out;
}

void in_f64(In a, In b, Out c, std::size_t n) {
  const std::vector<double> wide_a = widened(a, false), wide_b = widened(b, false);
  std::vector<double> wide_c(c.size());
  our_product<double>(wide_a, wide_b, wide_c, n);
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(wide_c[i]);
}

// Each element one chain over k, row by row of b so that the loop over columns vectorizes.
void one_chain(In a, In b, Out c, std::size_t n) {
  std::fill(c.begin(), c.end(), 0.0F);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t p = 0; p < n; ++p) {
      const float left = a[i * n + p];
      for (std::size_t j = 0; j < n; ++j) c[i * n + j] += left * b[p * n + j];
    }
  }
}

std::vector<Contestant> contestants(std::size_t n, std::span<const OwnKernel> own) {
  const auto k = static_cast<double>(n);
  const double blocks = std::min(k, 256.0) + std::max(0.0, std::ceil(k / 256) - 1);
  std::vector<Contestant> list = {
      {"Palinode", true, [n](In a, In b, Out c) { our_product<float>(a, b, c, n); }, blocks},
      {"f64 accumulate", false, [n](In a, In b, Out c) { in_f64(a, b, c, n); }, 1 + k * 0x1p-29},
      {"bf16 inputs", false,
       [n](In a, In b, Out c) { our_product<float>(as_bf16(a), as_bf16(b), c, n); }, blocks,
       kTwoBf16}};
  // A plain loop; larger products of it take seconds.
  if (n <= 512) {
    list.push_back({"one chain", false, [n](In a, In b, Out c) { one_chain(a, b, c, n); }, k});
  }
  for (const BlasPeer& peer : blas_peers()) {
    const std::string name = peer.variant.empty() ? peer.name : peer.name + " " + peer.variant;
    list.push_back({name, false,
                    [&peer, m = static_cast<int>(n)](In a, In b, Out c) {
                      peer.sgemm({false, false, m, m, m, a.data(), m, b.data(), m, c.data()});
                    },
                    k});
  }
  for (const OwnKernel& kernel : own) {
    using Product = void (*)(const float* a, const float* b, float* c, std::size_t m, std::size_t n,
                             std::size_t k);
    const auto f = reinterpret_cast<Product>(kernel.address);
    list.push_back({kernel.name(), false,
                    [f, n](In a, In b, Out c) { f(a.data(), b.data(), c.data(), n, n, n); }, k});
  }
  return list;
}

// Rows of a and columns of b. With a condition c, the second half of k takes back what the first
// half gives, up to one part in c.
void draw(const Family& family, const Rng& rng, std::size_t n, Out a, Out b) {
  const Family plain = family.spread == Spread::kCondition ? families().front() : family;
  draw_dot(plain, rng, a, b);
  if (family.spread != Spread::kCondition) return;
  const std::size_t half = n / 2;
  const Rng rest = rng.stream("rest");
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t p = 0; p < half; ++p) a[i * n + half + p] = a[i * n + p];
  }
  for (std::size_t p = 0; p < half; ++p) {
    for (std::size_t j = 0; j < n; ++j) {
      const double kept = 1 + (2 * rest.uniform(p * n + j) - 1) / family.condition;
      b[(half + p) * n + j] = static_cast<float>(-kept * static_cast<double>(b[p * n + j]));
    }
  }
}

// Elements along a diagonal, by MPFR.
double truth_error(In a, In b, std::span<const double> truth, std::span<const double> sizes,
                   std::size_t n) {
  double worst = 0;
  std::vector<float> column(n);
  for (std::size_t i = 0; i < n; i += n / 16) {
    const std::size_t j = (i * 7 + 3) % n;
    for (std::size_t p = 0; p < n; ++p) column[p] = b[p * n + j];
    const double exact = exact_dot(a.subspan(i * n, n), column);
    worst = std::max(worst, std::abs(truth[i * n + j] - exact) / sizes[i * n + j]);
  }
  return worst;
}

struct Matrices {
  std::vector<float> a, b;
  std::vector<double> truth, sizes;
};

Matrices matrices(const Family& family, std::size_t n) {
  Matrices m{std::vector<float>(n * n), std::vector<float>(n * n), std::vector<double>(n * n),
             std::vector<double>(n * n)};
  draw(family, Rng(1).stream("precision").stream("matmul").stream(family.name), n, m.a, m.b);
  our_product<double>(widened(m.a, false), widened(m.b, false), m.truth, n);
  our_product<double>(widened(m.a, true), widened(m.b, true), m.sizes, n);
  return m;
}

Json measure_family(const Family& family, std::size_t n, std::span<const Contestant> list,
                    std::vector<Xxh3>& digests) {
  const Matrices m = matrices(family, n);
  std::vector<float> c(n * n);
  std::vector<double> conditions;
  double underflow = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    conditions.push_back(m.truth[i] == 0 ? HUGE_VAL : m.sizes[i] / std::abs(m.truth[i]));
    underflow = std::max(underflow, static_cast<double>(n) * 0x1p-150 / (m.sizes[i] * kUnit));
  }
  if (underflow < 1e-3) underflow = 0;
  Json json = {{"name", family.name},
               {"condition", json_number(median(conditions))},
               {"truth_error", truth_error(m.a, m.b, m.truth, m.sizes, n)}};
  for (std::size_t k = 0; k < list.size(); ++k) {
    list[k].run(m.a, m.b, c);
    digests[k].add(In(c));
    Errors backward, forward;
    for (std::size_t i = 0; i < c.size(); ++i) {
      const double error = std::abs(static_cast<double>(c[i]) - m.truth[i]);
      backward.add(error / (m.sizes[i] * kUnit));
      forward.add(error == 0 ? 0 : error / (std::abs(m.truth[i]) * kUnit));
    }
    const double given = list[k].given + underflow;
    const double expected = probable(list[k].roundings) + given;
    json["contenders"].push_back({{"name", list[k].name},
                                  {"backward", backward.json()},
                                  {"forward", forward.json()},
                                  {"bound", list[k].roundings + given},
                                  {"probable_bound", expected},
                                  {"suspicious", backward.max() > expected}});
  }
  return json;
}

Json identities(std::size_t n) {
  // Where fma is emulated a product of 128 stands for one of n.
  n = std::min<std::size_t>(n, 128);
  const Matrices m = matrices(families().front(), n);
  const Simd before = active_simd();
  Json rows = Json::array();
  std::string first;
  std::vector<Simd> order = {before};
  for (const Simd simd : available_simd()) {
    if (simd != before) order.push_back(simd);
  }
  for (const Simd simd : order) {
    use_simd(simd);
    std::vector<float> c(n * n);
    our_product<float>(m.a, m.b, c, n);
    const std::string digest = hex(xxh3(In(c)));
    if (simd == before) {
      first = digest;
      continue;
    }
    rows.push_back({{"name", "Palinode"},
                    {"simd", simd_name(simd)},
                    {"inputs", n * n},
                    {"digest", digest},
                    {"same_bits", digest == first}});
  }
  use_simd(before);
  return rows;
}

// The families that a product is measured on; "2^-100 to 2^100" is of its terms.
std::vector<Family> product_families() {
  std::vector<Family> list;
  for (const Family& family : families()) {
    if (family.spread != Spread::kCondition || family.condition == 1e4) list.push_back(family);
  }
  return list;
}

}  // namespace

Json measure_product(std::size_t size, std::span<const OwnKernel> own) {
  const std::size_t before = threads();
  set_threads(1);
  for (const BlasPeer& peer : blas_peers()) peer.set_threads(1);
  const std::vector<Contestant> list = contestants(size, own);
  Json json = {{"kernel", "matmul"}, {"size", size}, {"simd", simd_name(active_simd())}};
  std::vector<Xxh3> digests(list.size());
  for (const Family& family : product_families()) {
    json["families"].push_back(measure_family(family, size, list, digests));
  }
  const Matrices m = matrices(families().front(), size);
  std::vector<float> c(size * size);
  std::vector<std::function<void()>> runs;
  for (const Contestant& each : list) runs.emplace_back([&] { each.run(m.a, m.b, c); });
  const std::vector<Speed> times = time_interleaved(runs, 7, 5e-3);
  const auto n = static_cast<double>(size);
  for (std::size_t k = 0; k < list.size(); ++k) {
    json["contenders"].push_back({{"name", list[k].name},
                                  {"ours", list[k].ours},
                                  {"gflops", 2 * n * n * n / times[k].median * 1e-9},
                                  {"gflops_best", 2 * n * n * n / times[k].best * 1e-9},
                                  {"digest", hex(digests[k].finish())}});
  }
  json["identity"] = identities(size);
  set_threads(before);
  return json;
}

std::vector<ProductError> library_product_errors() {
  constexpr std::size_t kSize = 512;
  const Matrices m = matrices(families().front(), kSize);
  std::vector<ProductError> list;
  for (const Contestant& each : contestants(kSize, {})) {
    const bool library = each.ours || each.name.starts_with("OpenBLAS") ||
                         each.name.starts_with("BLIS") || each.name.starts_with("oneDNN");
    if (!library) continue;
    std::vector<float> c(kSize * kSize);
    each.run(m.a, m.b, c);
    double largest = 0, squares = 0;
    for (std::size_t i = 0; i < c.size(); ++i) {
      const double error = std::abs(static_cast<double>(c[i]) - m.truth[i]) / (m.sizes[i] * kUnit);
      largest = std::max(largest, error);
      squares += error * error;
    }
    list.push_back({each.name, largest, std::sqrt(squares / static_cast<double>(c.size()))});
  }
  return list;
}

}  // namespace palinode::experiments::precision
