// A policy as an identity, adapted by policy gradient: theta or phi learns a second task, and each
// rollback is tried. Also for a language model whose continuations are rewarded.
#pragma once

#include <string>
#include <string_view>

#include "experiments/policy/tasks.h"
#include "experiments/studies/study.h"

namespace palinode::experiments {

// Whether a model of E5 is one of policy_tasks, or "vowels" for the language identity.
bool is_policy_task(std::string_view name);

// Rows of theta with R0, R1, R3 and R6 (training on the identity's own environment again, for
// `back_updates`), and of phi with R0 and R17; metrics are mean returns of evaluation episodes on
// the adaptation's task and on the identity's. Points: the learning curves.
Outcome policy_trial(const Cell& cell, policy::Trainer trainer, std::uint64_t back_updates);

// The same for the language identity and its task; R6 is fine-tuning on its text.
Outcome text_trial(const Cell& cell);

}  // namespace palinode::experiments
