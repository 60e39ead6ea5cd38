// Learning rate schedules: the rate as a function of the number of steps taken before.
//
//   {.peak = 0.1}                                                constant
//   {.peak = 0.1, .warmup = 100}                                 linear warm-up, then constant
//   {.peak = 0.1, .steps = 1000, .floor = 0.01}                  cosine from peak to floor
//   {.peak = 0.1, .warmup = 100, .steps = 1000, .floor = 0.01}   both
#pragma once

#include <cstdint>

namespace palinode::optim {

struct ScheduleConfig {
  double peak = 1e-3;
  std::uint64_t warmup = 0;  // steps of warm-up: the first has the rate peak / warmup
  std::uint64_t steps = 0;   // of the whole run, warm-up included; 0: the rate stays at its peak
  double floor = 0;          // from step number `steps` on
};

// A value. With t steps taken before, in f64 (docs/arithmetic.md, section 7):
//   t < warmup    peak * ((t + 1) / warmup)
//   steps = 0     peak
//   t >= steps    floor
//   otherwise     peak * h + floor * (1 - h),   h = 0.5 * (1 + cos(pi x)),
//                 x = (t - warmup) / (steps - warmup)
// The cosine: Loshchilov and Hutter, arXiv:1608.03983, equation 5, without restarts.
class Schedule {
 public:
  Schedule(double lr) : Schedule(ScheduleConfig{.peak = lr}) {}  // the same rate at every step
  // Throws Error for a rate that is negative or not finite, a floor above the peak, and a warm-up
  // that is not shorter than the run.
  Schedule(const ScheduleConfig& config);

  double at(std::uint64_t steps_taken) const;

 private:
  ScheduleConfig config_;
};

}  // namespace palinode::optim
