// E4: structured fine-tuning. Optimizers adapt theta, or a phi, to the same shifted task until the
// same score, then each rollback.
//
// Paper: table "recoverability by mechanism" (structured fine-tuning RF 0, where the reset is R0 in
// our terms).
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects({"digits-mlp"}, {"digits-mlp"});

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  Outcome outcome;
  for (const Mechanism mechanism : {Mechanism::kSgd, Mechanism::kMomentum, Mechanism::kAdam}) {
    outcome.add(adaptation_trials(identity, "E4", mechanism));
  }
  return outcome;
}

}  // namespace

extern const Study kFineTuning = {"E4",
                                  "fine-tuning",
                                  "RF by mechanism, row structured fine-tuning",
                                  "what of theta comes back after fine-tuning, and at what price",
                                  "RF = 0 for weight mutation is refuted by a rollback without a "
                                  "snapshot whose 95 % interval lies above 0",
                                  kKnobs,
                                  run};

}  // namespace palinode::experiments
