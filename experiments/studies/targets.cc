#include "experiments/studies/targets.h"

#include "rbl/metrics.h"

namespace palinode::experiments {

rbl::Family theta_family(const Identity& identity) {
  return [&identity](const Store& theta) { return identity.build(theta); };
}

rbl::Family phi_family(const Identity& identity, const rbl::BehaviorConfig& config) {
  return [&identity, config](const Store& phi) {
    return std::make_unique<rbl::Attached>(
        rbl::attach(*identity.network, rbl::make_behavior(phi, *identity.network, config)));
  };
}

ThetaCopy::ThetaCopy(const Identity& identity)
    : ledger_(identity.level), theta_(&ledger_.open("theta", Role::kIdentity)) {
  ledger_.commit(copy_of(*identity.theta, *theta_));
  model_ = identity.build(*theta_);
}

PhiUnit::PhiUnit(const Identity& identity, const Rng& start, const rbl::BehaviorConfig& config)
    : ledger_(identity.level),
      phi_(&ledger_.open("phi", Role::kBehavior)),
      behavior_(rbl::make_behavior(*phi_, *identity.network, config)),
      function_(std::make_unique<const rbl::Attached>(rbl::attach(*identity.network, behavior_))) {
  ledger_.commit(behavior_->init(start));
}

Tensor log_p_of(const Identity& identity, const nn::Model& function) {
  return rbl::log_probabilities(nn::evaluate(function, identity.probes).compact());
}

}  // namespace palinode::experiments
