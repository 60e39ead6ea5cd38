// E1: exact unload. A behavior is attached to the frozen identity, trained, and detached; then a
// second one over the same identity.
//
// Paper: table "recoverability by mechanism", row behavioral (RF 1, KL and JS below 1e-6). Here the
// bar is equal bits.
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

Change adapt_with_adam(const Identity& identity, std::string_view stream) {
  return learn(identity, identity.shifted(), Mechanism::kAdam, identity.rng.stream(stream));
}

rbl::Certificate certificate(const Identity& identity) {
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora = rbl::make_behavior(phi, *identity.network, lora_config());
  ledger.commit(lora->init(identity.rng.stream("certificate")));
  const rbl::Observation before = rbl::observe(*identity.network, *identity.theta, identity.probes);
  rbl::Attached function = rbl::attach(*identity.network, lora);
  adapt_with_adam(identity, "certificate")(ledger, phi, function, {});
  const rbl::Observation during = rbl::observe(function, *identity.theta, identity.probes);
  rbl::detach(std::move(function));
  return rbl::certify(before, during,
                      rbl::observe(*identity.network, *identity.theta, identity.probes));
}

const std::vector<Knob> kKnobs = with_subjects({"digits-mlp"}, {"digits-mlp"});

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  Outcome outcome;
  for (const char* name : {"adam", "adam-second"}) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::unload());
    outcome.add(trial_on_phi(identity, {"E1", name}, adapt_with_adam(identity, name), rollbacks,
                             identity.rng.stream(name)));
  }
  outcome.certificate = certificate(identity);
  return outcome;
}

}  // namespace

extern const Study kUnload = {"E1",
                              "unload",
                              "RF by mechanism, row behavioral",
                              "is the identity back, to the last bit, when a behavior is gone",
                              "holds if on every seed the fingerprint and every output bit are "
                              "those of before, and KL = JS = 0 exactly",
                              kKnobs,
                              run};

}  // namespace palinode::experiments
