// The diagnostics are under the same-bits contract: one figure on every SIMD target and number of
// threads.
#include <gtest/gtest.h>

#include <algorithm>

#include "rbl/diagnostics/attribution.h"
#include "rbl/diagnostics/axes.h"
#include "rbl/diagnostics/ils_power.h"
#include "rbl/diagnostics/svar.h"
#include "rbl/diagnostics/worst_case.h"
#include "tensor/parallel.h"
#include "tests/rbl/diagnostics/small_models.h"
#include "tests/support/bits.h"

namespace palinode::rbl {
namespace {

// One figure or more of each diagnostic that computes in steps of its own.
std::vector<double> figures(const SmallModels& models) {
  std::vector<double> all;
  const Tensor starts = Rng(8).uniform({6, 6}, Dtype::kF32, -1, 1);
  const AscentConfig ascent{.low = -3, .high = 3, .steps = 20};
  all.push_back(worst_input(models.f0, models.f1, starts, ascent, Rng(1)).kl);
  const Attribution parts = attribute(mlp_family(), Role::kIdentity, named_values(models.theta),
                                      named_values(models.changed), models.probes);
  for (const Contribution& part : parts.parts) {
    all.insert(all.end(), {part.put_back, part.added_in, part.first_order});
  }
  const Tensor base = log_p_of(models.f0, models.probes);
  const Tensor adapted = log_p_of(models.f1, models.probes);
  const ParameterAxis axis(mlp_family(), models.changed, with_relative_noise, models.probes,
                           Rng(4));
  const Svar found = svar("theta", adapted, base, {.sizes = {0.01, 0.1}, .draws = 4}, axis);
  all.insert(all.end(), {found.slope, *found.order, found.points[1].envelope.q75});
  const std::vector<double> sizes = {2};
  const PowerCurve power = ils_power(
      base, sizes, [&](double size) { return plant_leak(base, 3, size); },
      {.draws = 20, .repeats = 20}, Rng(5));
  all.insert(all.end(), {power.tau_max, power.leaks[0].by_max.lo, power.leaks[0].kl});
  return all;
}

TEST(Diagnostics, HaveTheSameBitsOnEveryTargetAndNumberOfThreads) {
  SmallModels models;
  models.ledger.commit(noise(models.changed, 0.1, Rng(3)));
  const std::vector<double> want = figures(models);
  EXPECT_TRUE(std::ranges::all_of(want, [](double figure) { return figure != 0; }));
  for_each_simd([&] {
    EXPECT_SAME_BITS(std::span<const double>(figures(models)), std::span<const double>(want));
  });
  const std::size_t before = threads();
  for (const std::size_t count : {1U, 3U}) {
    set_threads(count);
    EXPECT_SAME_BITS(std::span<const double>(figures(models)), std::span<const double>(want));
  }
  set_threads(before);
}

}  // namespace
}  // namespace palinode::rbl
