// E4: structured fine-tuning. SGD, momentum and Adam adapt theta, or a phi, to the same shifted
// task until the same score, then each rollback.
//
// Paper: table "recoverability by mechanism" (structured fine-tuning RF 0, where the reset is R0 in
// our terms).
#include "experiments/study.h"
#include "experiments/trial.h"

namespace palinode::experiments {
namespace {

Outcome run(const Identity& identity) {
  Outcome outcome;
  for (const Mechanism mechanism : {Mechanism::kSgd, Mechanism::kMomentum, Mechanism::kAdam}) {
    for (Row& row : adaptation_trials(identity, "E4", mechanism)) {
      outcome.rows.push_back(std::move(row));
    }
  }
  return outcome;
}

}  // namespace

extern const Study kFineTuning = {"E4", "fine-tuning",
                                  "RF by mechanism, row structured fine-tuning",
                                  "RF = 0 for weight mutation is refuted by a rollback without a "
                                  "snapshot whose 95 % interval lies above 0",
                                  run};

}  // namespace palinode::experiments
