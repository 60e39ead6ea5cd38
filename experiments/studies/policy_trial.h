// A policy as an identity, adapted by policy gradient: theta or phi learns a second task, and each
// rollback is tried. Also for a language model whose continuations are rewarded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "experiments/policy/tasks.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {

// Whether a model of E5 is one of policy_tasks.
bool is_policy_task(std::string_view name);

// What theta is taken back by (arms.h) after the run to the target reward, and where a second run
// of theta and of phi ends: one with the same streams, as soon as its KL(f0 || f) on the probes, in
// nats, is reached, looked at after every update. Theta is then taken back by kArmsAtKl.
struct PolicyTrial {
  Words arms;
  std::optional<double> kl = {};    // none: no second run
  std::uint64_t back_updates = 20;  // budget of R6, on the identity's own environment
};
inline const Words kArmsAtKl = {"R0", "R1", "R3", "R6"};

// Rows of theta with those arms, and of phi with R0 and R17; metrics are mean returns of evaluation
// episodes on the adaptation's task and on the identity's. No passes or operations are counted:
// what it costs to play is not known. R7's inputs are states of the identity's own episodes.
// Points: the learning curves, and add_run's. Throws UsageError for an arm that is not there.
Outcome policy_trial(const Cell& cell, policy::Trainer trainer, const PolicyTrial& config);

// The same for the language identity and its task; R6 and R7 are on its text.
Outcome text_trial(const Cell& cell, const PolicyTrial& config);

// The mechanism itself, or "<mechanism> at KL" with the KL as alpha.
Label policy_label(std::string_view mechanism, std::optional<double> kl);

// The change, then which share of the target's words it changed.
Change counting(const Change& change, double& share);

// Points of one adaptation by its row of R0: return_before, return_after, kl_old_states, the share
// of words_changed (of theta, or of phi), updates.
void add_run(Outcome& outcome, const Cell& cell, const Row& row, double words_changed);
// A point return_after: that of one run less that of another, which stopped at the same KL; nan if
// one did not come so far.
void add_difference(Outcome& outcome, const Cell& cell, const std::string& series, const Row& run,
                    const Row& other);

// The first row of the mechanism and locus. Throws NameError if there is none.
const Row& run_of(const Outcome& outcome, const Label& label, std::string_view locus);

}  // namespace palinode::experiments
