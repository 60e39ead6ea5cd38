#include "bench/interleave.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>

namespace palinode::bench {
namespace {

// What one thread does is timed by the processor time it gets, so that a busy neighbour is not part
// of the figure; what several do, by the clock on the wall.
double now(std::size_t threads) {
  timespec time{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds_of(const Contender& contender, std::size_t threads, std::size_t calls) {
  const double start = now(threads);
  for (std::size_t i = 0; i < calls; ++i) contender.run();
  return now(threads) - start;
}

void prepare(const Contender& contender) {
  if (contender.before) contender.before();
}

// How many calls a sample takes: found by doubling, which warms up too.
std::size_t calibrate(const Contender& contender, std::size_t threads, double seconds) {
  if (contender.cost) return 1;
  prepare(contender);
  if (contender.before) return 1;
  contender.run();
  std::size_t calls = 1;
  double spent = seconds_of(contender, threads, calls);
  while (spent < seconds) {
    calls *= 2;
    spent = seconds_of(contender, threads, calls);
  }
  const double exact = static_cast<double>(calls) * seconds / spent;
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(exact)));
}

// OpenBLAS's threads look for work for some 25 ms before they sleep, OpenMP's for less.
constexpr auto kPause = std::chrono::milliseconds(50);

}  // namespace

std::vector<std::vector<double>> interleave(std::span<const Contender> contenders, double work,
                                            std::size_t threads, const Method& method) {
  std::vector<std::size_t> calls;
  std::this_thread::sleep_for(kPause);
  for (const Contender& each : contenders) {
    calls.push_back(calibrate(each, threads, method.seconds));
  }
  std::vector<std::vector<double>> rates(contenders.size());
  for (std::size_t round = 0; round < method.rounds; ++round) {
    for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
      const std::size_t i = (round + turn) % contenders.size();
      const Contender& contender = contenders[i];
      if (threads > 1) std::this_thread::sleep_for(kPause);
      if (contender.cost) {
        rates[i].push_back(work / contender.cost());
        continue;
      }
      prepare(contender);
      if (!contender.before) contender.run();
      const double spent = seconds_of(contender, threads, calls[i]);
      const double done = (contender.work > 0 ? contender.work : work) * double(calls[i]);
      rates[i].push_back(done / spent);
    }
  }
  return rates;
}

double ratio(std::span<const double> a, std::span<const double> b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return median(std::move(ratios));
}

}  // namespace palinode::bench
