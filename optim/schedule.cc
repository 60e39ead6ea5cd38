#include "optim/schedule.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::optim {
namespace {

// cos(2 pi turns) for turns in [0, 1).
double cosine(double turns) {
  double sin = 0, cos = 0;
  kernels::sin_cos_turns(std::span<const double>(&turns, 1), std::span<double>(&sin, 1),
                         std::span<double>(&cos, 1));
  return cos;
}

}  // namespace

Schedule::Schedule(const ScheduleConfig& config) : config_(config) {
  if (!(std::isfinite(config.peak) && config.floor >= 0 && config.peak >= config.floor)) {
    throw Error(
        fmt::format("schedule: the rate goes from a finite peak down to a floor of 0 or "
                    "more, got {} and {}",
                    config.peak, config.floor));
  }
  if (config.steps != 0 && config.warmup >= config.steps) {
    throw Error(fmt::format("schedule: a warm-up of {} steps leaves nothing of {}", config.warmup,
                            config.steps));
  }
}

double Schedule::at(std::uint64_t steps_taken) const {
  const auto& [peak, warmup, steps, floor] = config_;
  if (steps_taken < warmup) {
    return peak * (static_cast<double>(steps_taken + 1) / static_cast<double>(warmup));
  }
  if (steps == 0) return peak;
  if (steps_taken >= steps) return floor;
  const double turns =
      static_cast<double>(steps_taken - warmup) / static_cast<double>(2 * (steps - warmup));
  const double h = 0.5 * (1 + cosine(turns));
  return peak * h + floor * (1 - h);
}

}  // namespace palinode::optim
