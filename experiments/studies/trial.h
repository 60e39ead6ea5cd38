// One trial: adapt a copy of the identity (theta) or a behavior over it (phi), then try each
// rollback on it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/studies/adapt.h"
#include "experiments/studies/study.h"
#include "rbl/rollback.h"
#include "rbl/rollback/arms.h"

namespace palinode::experiments {

// What a trial is called in its rows.
struct Label {
  std::string study;
  std::string mechanism;
  std::optional<double> alpha = std::nullopt;
};

// Changes `target`, whose values `function` computes with, telling the hooks.
using Change = std::function<Adapted(Ledger& ledger, const Store& target, const nn::Model& function,
                                     const Hooks& hooks)>;
// That of a mechanism learning a task.
Change learn(const Identity& identity, const Task& task, Mechanism mechanism, const Rng& stream);
// A proposal, committed once; no steps.
Change commit_once(const std::function<Proposal(const Store& target)>& propose);

using Rollbacks = std::vector<std::unique_ptr<rbl::Rollback>>;
// Arms that can only be made once it is known how many steps the adaptation took, and that keep
// nothing from before it; their after_optimizer and after are called.
using LateArms = std::function<Rollbacks(std::uint64_t steps)>;

// What is seen of a function at some stage; `theta` outlives it.
struct Stage {
  const Store& theta;
  rbl::Observation seen;
  double task_metric, identity_metric;
};
// With its scores on the identity's shifted task and on its own.
Stage look(const Identity& identity, const Store& theta, const nn::Model& function);
// With other metrics.
using Look = std::function<Stage(const Store& theta, const nn::Model& function)>;

// Mutates a copy of theta; every rollback starts from the same mutated values.
std::vector<Row> trial_on_theta(const Identity& identity, const Label& label, const Change& change,
                                const Rollbacks& rollbacks, const LateArms& late = {},
                                const Look& other = {});

// Attaches a fresh behavior to the frozen identity and changes its phi; rollbacks as above.
// `stream` names phi's start.
std::vector<Row> trial_on_phi(const Identity& identity, const Label& label, const Change& change,
                              const Rollbacks& rollbacks, const Rng& stream,
                              const rbl::BehaviorConfig& behavior, const Look& other = {});
std::vector<Row> trial_on_phi(const Identity& identity, const Label& label, const Change& change,
                              const Rollbacks& rollbacks, const Rng& stream);

// Both of the above for the identity's shifted task learned by a mechanism: theta with R0, R1, R3,
// R6, and phi with R0, R17.
std::vector<Row> adaptation_trials(const Identity& identity, std::string_view study,
                                   Mechanism mechanism);

// Whether KL(f0 || function) on the identity's probes is so many nats or more.
std::function<bool(const nn::Model& function)> diverged(const Identity& identity, double nats);

rbl::BehaviorConfig lora_config();  // rank 8, alpha 16

// R6 and R7 with the identity's budget, or another one.
std::unique_ptr<rbl::Rollback> fine_tune_back(const Identity& identity);
std::unique_ptr<rbl::Rollback> fine_tune_back(const Identity& identity, std::uint64_t steps);
std::unique_ptr<rbl::Rollback> distil_back(const Identity& identity);
std::unique_ptr<rbl::Rollback> distil_back(const Identity& identity, const Tensor& inputs,
                                           const Rng& stream);

// A row for `recovered`, given what was seen before the rollback; for studies with a course of
// their own.
Row make_row(const Identity& identity, const Label& label, std::string_view locus,
             std::string_view rollback, const Stage& adapted, const Stage& recovered);

}  // namespace palinode::experiments
