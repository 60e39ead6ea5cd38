#include "rbl/diagnostics/stability.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace palinode::rbl {

std::string_view stability_name(Stability stability) {
  switch (stability) {
    case Stability::kHealthy:
      return "healthy";
    case Stability::kBrittle:
      return "brittle";
    case Stability::kHiddenCoupling:
      return "hidden coupling";
    case Stability::kIdentityLeakage:
      return "identity leakage";
  }
  PALINODE_ASSERT(false);
}

StabilityVerdict classify(const StabilityReport& report, const StabilityRules& rules) {
  if (report.after_unload && report.after_unload->max > rules.leak) {
    return {Stability::kIdentityLeakage,
            fmt::format("after the unload probe {} is {:.3g} nats from the identity, above {:.3g}",
                        report.after_unload->worst, report.after_unload->max, rules.leak)};
  }
  for (const auto* axis : {&report.topology, &report.runtime, &report.reset}) {
    if (!axis->has_value() || !((*axis)->largest() > rules.coupling)) continue;
    return {Stability::kHiddenCoupling,
            fmt::format("on the axis {} a draw moves the function by {:.3g} nats, above {:.3g}",
                        (*axis)->axis, (*axis)->largest(), rules.coupling)};
  }
  for (const auto* axis : {&report.parameter, &report.environment}) {
    if (!axis->has_value() || (*axis)->points.empty()) continue;
    const SvarPoint& smallest = (*axis)->points.front();
    if (!(smallest.envelope.q95 > rules.brittle * report.d_adapt)) continue;
    return {
        Stability::kBrittle,
        fmt::format(
            "on the axis {} at size {:g} the 95 % quantile is {:.3g} nats, above {:g} of the "
            "behavior's {:.3g}",
            (*axis)->axis, smallest.size, smallest.envelope.q95, rules.brittle, report.d_adapt)};
  }
  return {Stability::kHealthy, "no axis that was measured breaks its rule"};
}

Ils leak_after_unload(const Lifecycle& lifecycle, const Tensor& identity, const Tensor& probes,
                      double tau) {
  lifecycle.load();
  const Tensor left = log_probabilities(nn::evaluate(lifecycle.unload(), probes));
  return ils(kl_divergence(identity, left), tau);
}

}  // namespace palinode::rbl
