#include "rbl/diagnostics/stability.h"

#include <gtest/gtest.h>

#include "tests/rbl/diagnostics/small_models.h"

namespace palinode::rbl {
namespace {

// An axis that moves the function by this much at size 1.
Svar axis_of(std::string name, double nats) {
  SvarPoint point{.size = 1,
                  .draws = {nats},
                  .envelope = envelope(std::vector<double>{nats}),
                  .reference_code = {}};
  return {.axis = std::move(name), .points = {point}, .order = std::nullopt};
}

StabilityReport healthy() {
  StabilityReport report;
  report.parameter = axis_of("parameter", 1e-3);
  report.topology = axis_of("topology", 1e-14);
  report.runtime = axis_of("runtime", 0);
  report.environment = axis_of("environment", 1e-3);
  report.reset = axis_of("reset", 0);
  report.after_unload = ils({.per_input = {0, 0}, .mean = 0}, 0);
  report.d_adapt = 1;
  return report;
}

TEST(Stability, IsHealthyWhereNoRuleIsBroken) {
  EXPECT_EQ(classify(healthy()).stability, Stability::kHealthy);
  EXPECT_EQ(classify({}).stability, Stability::kHealthy);
}

TEST(Stability, IsBrittleByParameterOrEnvironment) {
  StabilityReport report = healthy();
  report.environment = axis_of("environment", 0.11);
  EXPECT_EQ(classify(report).stability, Stability::kBrittle);
  report = healthy();
  report.parameter = axis_of("parameter", 0.11);
  const StabilityVerdict verdict = classify(report);
  EXPECT_EQ(verdict.stability, Stability::kBrittle);
  EXPECT_EQ(verdict.reason,
            "on the axis parameter at size 1 the 95 % quantile is 0.11 nats, above 0.1 of the "
            "behavior's 1");
  report.d_adapt = 2;  // the same move beside a larger behavior
  EXPECT_EQ(classify(report).stability, Stability::kHealthy);
}

TEST(Stability, IsHiddenCouplingByOrderMomentOrHistory) {
  for (auto axis :
       {&StabilityReport::topology, &StabilityReport::runtime, &StabilityReport::reset}) {
    StabilityReport report = healthy();
    report.parameter = axis_of("parameter", 0.5);
    report.*axis = axis_of("one of them", 1e-6);
    EXPECT_EQ(classify(report).stability, Stability::kHiddenCoupling);
  }
}

TEST(Stability, IsIdentityLeakageBeforeAllElse) {
  StabilityReport report = healthy();
  report.topology = axis_of("topology", 1);
  report.after_unload = ils({.per_input = {0, 1e-20}, .mean = 5e-21}, 0);
  const StabilityVerdict verdict = classify(report);
  EXPECT_EQ(verdict.stability, Stability::kIdentityLeakage);
  EXPECT_EQ(verdict.reason, "after the unload probe 1 is 1e-20 nats from the identity, above 0");
  EXPECT_EQ(stability_name(verdict.stability), "identity leakage");
}

TEST(Leak, AfterAnUnloadIsFoundWhereTheIdentityDoesNotComeBack) {
  SmallModels models;
  const Tensor identity = log_p_of(models.f0, models.probes);
  const Lifecycle clean{.load = [&]() -> const nn::Model& { return models.shifted; },
                        .unload = [&]() -> const nn::Model& { return models.f0; }};
  EXPECT_EQ(leak_after_unload(clean, identity, models.probes).max, 0);
  const Lifecycle silent_no_op{.load = clean.load, .unload = clean.load};
  const Ils left = leak_after_unload(silent_no_op, identity, models.probes);
  EXPECT_EQ(left.flagged.size(), 64U);
}

}  // namespace
}  // namespace palinode::rbl
