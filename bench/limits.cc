#include "bench/limits.h"

#include <benchmark/benchmark.h>

#include <type_traits>

#include "bench/simd_peers.h"
#include "tensor/parallel.h"

namespace palinode::bench {

template <class T>
Contender fma_limit(std::size_t threads) {
  constexpr std::size_t kSteps = 20000;
  const auto steps = [] { return std::is_same_v<T, float> ? fma_f32(kSteps) : fma_f64(kSteps); };
  return {.name = kLimit,
          .variant = "FMA",
          .run =
              [threads, steps] {
                parallel_for(threads, 1, [&](std::size_t begin, std::size_t end) {
                  for (; begin < end; ++begin) benchmark::DoNotOptimize(steps());
                });
              },
          .work = static_cast<double>(threads) * steps()};
}

template Contender fma_limit<float>(std::size_t);
template Contender fma_limit<double>(std::size_t);

Contender read_limit(std::size_t bytes) {
  const Buffer<float> x(bytes / sizeof(float));
  return {.name = kLimit,
          .variant = "read",
          .run = [x] { benchmark::DoNotOptimize(plain_sum(x.in())); },
          .work = static_cast<double>(bytes)};
}

Contender copy_limit(std::size_t bytes) {
  const Buffer<float> x(bytes / sizeof(float) / 2), out(bytes / sizeof(float) / 2);
  return {.name = kLimit,
          .variant = "copy",
          .run = [x, out] { plain_copy(x.in(), out.out()); },
          .work = static_cast<double>(bytes)};
}

}  // namespace palinode::bench
