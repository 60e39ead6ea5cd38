// E1: exact unload. A behavior is attached to the frozen identity, trained, and detached; then a
// second one over the same identity.
//
// Paper: table "recoverability by mechanism", row behavioral (RF 1, KL and JS below 1e-6). Here the
// bar is equal bits.
#include "experiments/study.h"
#include "experiments/trial.h"

namespace palinode::experiments {
namespace {

Change adapt_with_adam(const Identity& identity, std::string_view stream) {
  return [&identity, stream](Ledger& ledger, const Store& target, const nn::Model& function) {
    return adapt(ledger, target, function, identity.digits.shifted_train,
                 identity.rng.stream(stream), Mechanism::kAdam);
  };
}

rbl::Certificate certificate(const Identity& identity) {
  Ledger ledger(identity.options.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora = rbl::make_behavior(phi, identity.model, lora_config());
  ledger.commit(lora->init(identity.rng.stream("certificate")));
  const rbl::Observation before =
      rbl::observe(identity.model, identity.theta, identity.digits.probes);
  rbl::Attached function = rbl::attach(identity.model, lora);
  adapt_with_adam(identity, "certificate")(ledger, phi, function);
  const rbl::Observation during = rbl::observe(function, identity.theta, identity.digits.probes);
  rbl::detach(std::move(function));
  return rbl::certify(before, during,
                      rbl::observe(identity.model, identity.theta, identity.digits.probes));
}

Outcome run(const Identity& identity) {
  Outcome outcome;
  for (const char* name : {"adam", "adam-second"}) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::unload());
    for (Row& row : trial_on_phi(identity, {"E1", name}, adapt_with_adam(identity, name), rollbacks,
                                 identity.rng.stream(name))) {
      outcome.rows.push_back(std::move(row));
    }
  }
  outcome.certificate = certificate(identity);
  return outcome;
}

}  // namespace

extern const Study kUnload = {"E1", "unload", "RF by mechanism, row behavioral",
                              "holds if on every seed the fingerprint and every output bit are "
                              "those of before, and KL = JS = 0 exactly",
                              run};

}  // namespace palinode::experiments
