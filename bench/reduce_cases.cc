#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>

#include "bench/case.h"
#include "bench/limits.h"
#include "bench/simd_peers.h"
#include "tensor/kernels/change.h"
#include "tensor/kernels/reduce.h"
#include "tensor/kernels/softmax.h"
#include "tensor/parallel.h"

namespace palinode::bench {
namespace {

// A case on one thread whose contenders all get the same buffers.
Case one_thread(std::string what, Unit unit, double work,
                const std::function<std::vector<Contender>()>& make) {
  return {.what = std::move(what), .unit = unit, .work = work, .make = [make] {
            set_threads(1);
            return make();
          }};
}

struct Size {
  const char* where;
  std::size_t count;
};
constexpr Size kSizes[] = {{"4 Ki, first-level cache", 4096},
                           {"64 Ki, second-level cache", 65536},
                           {"4 Mi, beyond", std::size_t{4} << 20},
                           {"32 Mi, memory", std::size_t{32} << 20}};

Case sum_case(const Size& size) {
  const std::size_t n = size.count;
  Case result = one_thread(
      fmt::format("sum f32 {}", size.where), Unit::kGbytes, double(n * sizeof(float)), [n] {
        const Buffer<float> x(n);
        return std::vector<Contender>{
            {.name = "Palinode",
             .run = [x] { benchmark::DoNotOptimize(kernels::sum<float>(x.in())); }},
            {.name = "plain SIMD", .variant = "any order", .run = [x] {
               benchmark::DoNotOptimize(plain_sum(x.in()));
             }}};
      });
  if (n > 4096) result.bars = {{"plain SIMD", "best", 0.95, "95 % of a sum in any order"}};
  return result;
}

Case max_case() {
  constexpr std::size_t kValues = 65536;
  return one_thread("max f32 64 Ki", Unit::kGbytes, double(kValues * sizeof(float)), [] {
    const Buffer<float> x(kValues), out(1);
    return std::vector<Contender>{
        {.name = "Palinode",
         .run = [x, out] { kernels::row_max<float>(x.in(), 1, kValues, out.out()); }},
        {.name = "plain SIMD",
         .variant = "NaN ignored",
         .run = [x] { benchmark::DoNotOptimize(plain_max(x.in())); }},
        read_limit(kValues * sizeof(float))};
  });
}

Case column_sums_case() {
  const std::size_t rows = 256, cols = 768, n = rows * cols;
  return one_thread("column sums f32 256x768", Unit::kGbytes, double(n * sizeof(float)), [=] {
    const Buffer<float> x(n), out(cols);
    return std::vector<Contender>{
        {.name = "Palinode",
         .run = [=] { kernels::column_sums<float>(x.in(), rows, cols, out.out()); }},
        read_limit(n * sizeof(float))};
  });
}

void libm_softmax(std::span<const float> x, std::span<float> out) {
  float m = x[0], sum = 0;
  for (const float value : x) m = std::max(m, value);
  for (std::size_t j = 0; j < x.size(); ++j) sum += out[j] = std::exp(x[j] - m);
  for (float& p : out) p /= sum;
}

Case softmax_case(std::size_t rows, std::size_t cols) {
  return one_thread(
      fmt::format("softmax f32 {}x{}", rows, cols), Unit::kNanoseconds, double(rows * cols), [=] {
        const Buffer<float> x(rows * cols, -8, 8), out(rows * cols);
        const auto by_row = [=](void (*row)(std::span<const float>, std::span<float>)) {
          return [=] {
            for (std::size_t i = 0; i < rows; ++i) {
              row(x.in().subspan(i * cols, cols), out.out().subspan(i * cols, cols));
            }
          };
        };
        return std::vector<Contender>{
            {.name = "Palinode",
             .run = [=] { kernels::softmax<float>(x.in(), rows, cols, out.out()); }},
            {.name = "Highway", .run = by_row(highway_softmax)},
            {.name = "libm", .run = by_row(libm_softmax)}};
      });
}

Case cross_entropy_case() {
  const std::size_t rows = 64, cols = 1000;
  return one_thread(
      "cross-entropy f32 64x1000, loss and gradient", Unit::kNanoseconds, double(rows * cols), [=] {
        const Buffer<float> x(rows * cols, -8, 8), dx(rows * cols), p(rows * cols), loss(rows),
            r(rows);
        const Buffer<std::int32_t> labels(rows, 0, double(cols));
        const auto ours = [=] {
          kernels::cross_entropy<float>(x.in(), rows, cols, labels.in(), loss.out(), p.out());
          kernels::cross_entropy_grad<float>(p.in(), rows, cols, labels.in(), r.in(), dx.out());
        };
        const auto libm = [=] {
          for (std::size_t i = 0; i < rows; ++i) {
            const auto row = dx.out().subspan(i * cols, cols);
            libm_softmax(x.in().subspan(i * cols, cols), row);
            const auto label = static_cast<std::size_t>(labels.in()[i]);
            loss.out()[i] = -std::log(row[label]);
            row[label] -= 1;
            for (float& g : row) g *= r.in()[i];
          }
        };
        return std::vector<Contender>{{.name = "Palinode", .run = ours},
                                      {.name = "libm", .run = libm}};
      });
}

Case change_case() {
  const std::size_t n = 1 << 20;
  const double bytes = double(2 * n * sizeof(float));
  return one_thread("change statistics f32 1 Mi", Unit::kGbytes, bytes, [=] {
    const Buffer<float> x(n), y(n, -2, 2);
    const auto plain = [=] {
      std::uint64_t changed = 0;
      double largest = 0, squares = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double d = double(y.in()[i]) - double(x.in()[i]);
        changed += x.in()[i] != y.in()[i] ? 1 : 0;
        largest = std::max(largest, std::abs(d));
        squares += d * d;
      }
      benchmark::DoNotOptimize(changed);
      benchmark::DoNotOptimize(largest);
      benchmark::DoNotOptimize(squares);
    };
    return std::vector<Contender>{
        {.name = "Palinode",
         .run = [=] { benchmark::DoNotOptimize(kernels::change<float>(x.in(), y.in())); }},
        {.name = "plain loop", .run = plain},
        read_limit(2 * n * sizeof(float))};
  });
}

}  // namespace

std::vector<Case> reduce_cases() {
  std::vector<Case> list;
  for (const Size& size : kSizes) list.push_back(sum_case(size));
  list.push_back(max_case());
  list.push_back(column_sums_case());
  list.push_back(softmax_case(64, 1000));
  list.push_back(softmax_case(1024, 64));
  list.push_back(cross_entropy_case());
  list.push_back(change_case());
  return list;
}

}  // namespace palinode::bench
