// What the studies with a course of their own change: a copy of the identity's theta, or a fresh
// behavior over it, each in a ledger of its own; and the functions of other values of either.
#pragma once

#include <memory>
#include <string>

#include "experiments/studies/trial.h"
#include "experiments/subjects/identity.h"
#include "rbl/attach.h"
#include "rbl/diagnostics/scratch.h"

namespace palinode::experiments {

// f(.; w) for a copy of theta, and f(.; theta, w) for a behavior of this kind. The identity
// outlives them.
rbl::Family theta_family(const Identity& identity);
rbl::Family phi_family(const Identity& identity, const rbl::BehaviorConfig& config);

// A copy of theta, not frozen.
class ThetaCopy {
 public:
  explicit ThetaCopy(const Identity& identity);

  Ledger& ledger() { return ledger_; }
  const Store& store() const { return *theta_; }
  const nn::Network& function() const { return *model_; }

 private:
  Ledger ledger_;
  const Store* theta_;
  std::unique_ptr<nn::Network> model_;
};

// A behavior over the frozen identity, attached. Its first values are drawn from `start`.
class PhiUnit {
 public:
  PhiUnit(const Identity& identity, const Rng& start,
          const rbl::BehaviorConfig& config = lora_config());

  Ledger& ledger() { return ledger_; }
  const Store& store() const { return *phi_; }
  const rbl::BehaviorPointer& behavior() const { return behavior_; }
  const nn::Model& function() const { return *function_; }

 private:
  Ledger ledger_;
  const Store* phi_;
  rbl::BehaviorPointer behavior_;
  std::unique_ptr<const rbl::Attached> function_;
};

// The log-probabilities of a function on the identity's probes, f64 [probes, classes].
Tensor log_p_of(const Identity& identity, const nn::Model& function);

}  // namespace palinode::experiments
