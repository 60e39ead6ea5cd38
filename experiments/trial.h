// One trial: adapt a copy of the identity (theta) or a behavior over it (phi), then try each
// rollback on it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/study.h"
#include "experiments/training.h"
#include "rbl/rollback.h"

namespace palinode::experiments {

// What a trial is called in its rows.
struct Label {
  std::string study;
  std::string mechanism;
  std::optional<double> alpha = std::nullopt;
};

// Changes `target`, whose values `function` computes with. Returns the steps taken.
using Change =
    std::function<std::uint64_t(Ledger& ledger, const Store& target, const nn::Model& function)>;

using Rollbacks = std::vector<std::unique_ptr<rbl::Rollback>>;

// Mutates a copy of theta; every rollback starts from the same mutated values.
std::vector<Row> trial_on_theta(const Identity& identity, const Label& label, const Change& change,
                                const Rollbacks& rollbacks);

// Attaches a fresh LoRA to the frozen identity and changes its phi; rollbacks as above. `stream`
// names phi's start.
std::vector<Row> trial_on_phi(const Identity& identity, const Label& label, const Change& change,
                              const Rollbacks& rollbacks, const Rng& stream);

// Both of the above for the shifted task learned by a mechanism: theta with R0, R1, R3, R6, and phi
// with R0, R17.
std::vector<Row> adaptation_trials(const Identity& identity, std::string_view study,
                                   Mechanism mechanism);

rbl::BehaviorConfig lora_config();

// R6 with the budget of the studies.
std::unique_ptr<rbl::Rollback> fine_tune_back(const Identity& identity);

// A row for `seen` after the rollback, given what was seen before it; for studies with a course of
// their own.
struct Stage {
  const Store& theta;
  rbl::Observation seen;
  double task_metric, identity_metric;
};
Stage look(const Identity& identity, const Store& theta, const nn::Model& function);
Row make_row(const Identity& identity, const Label& label, std::string_view locus,
             std::string_view rollback, const Stage& adapted, const Stage& recovered);

}  // namespace palinode::experiments
