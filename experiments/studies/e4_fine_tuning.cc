// E4: structured fine-tuning. Optimizers adapt theta, or a phi, to the same shifted task until the
// same score, then every rollback that can be tried.
//
// Paper: table "recoverability by mechanism" (structured fine-tuning RF 0, where the reset is R0 in
// our terms).
#include "experiments/studies/arms.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp"}, {"digits-mlp", "fashion-mlp", "lande", "fashion-cnn", "austen-gpt"},
    {{"mechanisms", "optimizers", Words{"sgd", "momentum", "adam"},
      Words{"sgd", "momentum", "adam", "adamw"}},
     {"mechanisms_large", "optimizers on medium and large models", Words{"adam"},
      Words{"sgd", "momentum", "adam"}},
     {"arms", "rollbacks of theta",
      Words{"R0",  "R1",       "R2",     "R3",      "R4-noise", "R4-int8", "R4-bf16",
            "R5",  "R6-short", "R6",     "R6-long", "R7",       "R8",      "R9",
            "R10", "R11",      "R16-1%", "R16-10%", "R16-50%",  "R18"},
      Words{"R0",  "R1",       "R2",     "R3",      "R4-noise", "R4-int8", "R4-bf16",
            "R5",  "R6-short", "R6",     "R6-long", "R7",       "R8",      "R9",
            "R10", "R11",      "R16-1%", "R16-10%", "R16-50%",  "R18"}},
     {"arms_large", "rollbacks of theta of medium and large models", Words{"R0", "R1", "R3", "R6"},
      Words{"R0", "R1", "R3", "R4-int8", "R6-short", "R6", "R7", "R16-10%"}}});

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const bool large = scale_of(cell.model()) != Scale::kSmall;
  Outcome outcome;
  for (const std::string& name : cell.settings().words(large ? "mechanisms_large" : "mechanisms")) {
    const Mechanism mechanism = mechanism_named(name);
    const Label label{"E4", name};
    const Rng stream = identity.rng.stream("adapt");
    const Change change = learn(identity, identity.shifted(), mechanism, stream);
    const Arms arms = make_arms(cell.settings().words(large ? "arms_large" : "arms"),
                                {.identity = identity,
                                 .task = identity.shifted(),
                                 .mechanism = mechanism,
                                 .stream = stream,
                                 .lr = identity.recipes.at(mechanism).lr_theta});
    outcome.add(trial_on_theta(identity, label, change, arms.before, arms.late));
    Rollbacks on_phi;
    on_phi.push_back(rbl::no_rollback());
    on_phi.push_back(rbl::unload());
    outcome.add(trial_on_phi(identity, label, change, on_phi, identity.rng.stream("lora")));
  }
  return outcome;
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally nothing("after fine-tuning of theta RF is 0 for every rollback without a snapshot",
                "groups");
  add_rf_zero(nothing, groups_like(evidence.groups, "E4", "theta"));
  return {nothing.judgement()};
}

}  // namespace

extern const Study kFineTuning = {
    "E4",
    "fine-tuning",
    "RF by mechanism, row structured fine-tuning",
    "what of theta comes back after fine-tuning, and at what price",
    "RF = 0 for weight mutation is refuted by a rollback without a snapshot (neither theta nor a "
    "journal of its writes) whose 95 % interval lies above 0",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
