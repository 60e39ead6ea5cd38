// Every contender of every case as a benchmark of its own, for one at a time:
//   build/release/palinode_bench --benchmark_filter='matmul f32 512x512x512.*Palinode'
// The counter is the case's figure, `of limit` the share of the machine's limit measured just
// before. Ratios are the business of palinode_compare, which interleaves.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>

#include "bench/case.h"
#include "bench/interleave.h"
#include "bench/limits.h"

namespace palinode::bench {
namespace {

// The contenders of the case that runs, so that only its buffers are in memory.
const std::vector<Contender>& contenders_of(const Case& one) {
  static std::string made;
  static std::vector<Contender> contenders;
  if (made != one.what) {
    contenders.clear();
    contenders = one.make();
    made = one.what;
  }
  return contenders;
}

void measure(benchmark::State& state, const Case& one, std::size_t index) {
  const std::vector<Contender>& all = contenders_of(one);
  const Contender& contender = all[index];
  double limit = 0;
  if (all.back().name == kLimit) {
    limit = median(interleave({&all.back(), 1}, one.work, one.threads, {.rounds = 5})[0]);
  }
  if (!contender.before) contender.run();
  for (auto _ : state) {
    if (contender.before) {
      state.PauseTiming();
      contender.before();
      state.ResumeTiming();
    }
    contender.run();
  }
  const double work = contender.work > 0 ? contender.work : one.work;
  const double total = work * static_cast<double>(state.iterations());
  using benchmark::Counter;
  if (one.unit == Unit::kGflops || one.unit == Unit::kGbytes) {
    state.counters[std::string(unit_name(one.unit))] = Counter(total * 1e-9, Counter::kIsRate);
    if (limit > 0) state.counters["of limit"] = Counter(total / limit, Counter::kIsRate);
  } else if (one.unit == Unit::kNanoseconds) {
    const auto inverted = Counter::kIsRate | Counter::kInvert;
    state.counters["ns"] = Counter(total * 1e-9, static_cast<Counter::Flags>(inverted));
  }
}

}  // namespace

void register_kernels() {
  static const std::vector<Case> all = cases();
  for (const Case& one : all) {
    std::size_t index = 0;
    // The names are known once the contenders are made; buffers go again at once.
    for (const Contender& contender : one.make()) {
      const std::string name = contender.variant.empty()
                                   ? contender.name
                                   : fmt::format("{} {}", contender.name, contender.variant);
      auto* const registered = benchmark::RegisterBenchmark(
          fmt::format("{}/{}", one.what, name).c_str(),
          [&one, index](benchmark::State& state) { measure(state, one, index); });
      if (one.threads > 1) registered->UseRealTime();
      ++index;
    }
  }
}

}  // namespace palinode::bench
