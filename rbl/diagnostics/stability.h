// The four classes of a behavior's stability, by rules written down here (the reference names the
// classes and gives no rule).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rbl/diagnostics/axes.h"
#include "rbl/diagnostics/ils.h"
#include "rbl/diagnostics/svar.h"

namespace palinode::rbl {

// In the order in which they are asked: the first whose rule holds is the class.
//   identity leakage  the identity that is left after an unload scores above `leak` on some probe:
//                     max ILS > leak
//   hidden coupling   a draw of topology, runtime or reset moves the function by more than
//                     `coupling` nats, though order, moment and history should not matter
//   brittle           on the parameter or the environment axis, at its smallest size, the 95 %
//                     quantile over draws exceeds `brittle` times D_adapt = KL(f0 || f): what the
//                     perturbation takes is no longer small beside what the behavior is
//   healthy           none of these
enum class Stability : std::uint8_t { kHealthy, kBrittle, kHiddenCoupling, kIdentityLeakage };

std::string_view stability_name(Stability stability);  // "healthy", "brittle", ...

struct StabilityRules {
  double leak = 0;         // bits are reproducible, so the null of ILS is 0 (ils_power.h)
  double coupling = 1e-9;  // another order of sums alone gives about 1e-14 in f32
  double brittle = 0.1;
};

// An axis that was not measured is left out, and is not judged.
struct StabilityReport {
  std::optional<Svar> parameter, topology, runtime, environment, reset;
  std::optional<Ils> after_unload;
  double d_adapt = 0;  // nats
};

struct StabilityVerdict {
  Stability stability = Stability::kHealthy;
  std::string reason;  // the rule and the figure, in a sentence
};

StabilityVerdict classify(const StabilityReport& report, const StabilityRules& rules = {});

// The score of what an unload leaves, against the identity's log-probabilities on the probes.
// Loads first, so that there is something to unload.
Ils leak_after_unload(const Lifecycle& lifecycle, const Tensor& identity, const Tensor& probes,
                      double tau = 0);

}  // namespace palinode::rbl
