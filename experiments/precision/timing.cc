#include "experiments/precision/timing.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace palinode::experiments::precision {
namespace {

double seconds_of(const std::function<void()>& run, std::size_t calls) {
  const double start = thread_seconds();
  for (std::size_t i = 0; i < calls; ++i) run();
  return thread_seconds() - start;
}

// How many runs a sample takes: found by doubling, which warms up too.
std::size_t calibrate(const std::function<void()>& run, double seconds) {
  run();
  std::size_t calls = 1;
  double spent = seconds_of(run, calls);
  while (spent < seconds) {
    calls *= 2;
    spent = seconds_of(run, calls);
  }
  return std::max<std::size_t>(
      1, static_cast<std::size_t>(std::ceil(static_cast<double>(calls) * seconds / spent)));
}

}  // namespace

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::vector<Speed> time_interleaved(std::span<const std::function<void()>> runs, std::size_t rounds,
                                    double seconds) {
  std::vector<std::size_t> calls;
  for (const auto& run : runs) calls.push_back(calibrate(run, seconds));
  std::vector<std::vector<double>> samples(runs.size());
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t turn = 0; turn < runs.size(); ++turn) {
      const std::size_t i = (round + turn) % runs.size();
      runs[i]();
      samples[i].push_back(seconds_of(runs[i], calls[i]) / static_cast<double>(calls[i]));
    }
  }
  std::vector<Speed> speeds;
  for (const std::vector<double>& each : samples) {
    speeds.push_back({median(each), *std::min_element(each.begin(), each.end())});
  }
  return speeds;
}

}  // namespace palinode::experiments::precision
