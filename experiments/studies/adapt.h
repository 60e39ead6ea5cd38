// Adapting an identity to a task: the courses the studies run, and when they stop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "experiments/subjects/identity.h"
#include "rbl/course.h"
#include "tensor/ledger.h"

namespace palinode::experiments {

std::unique_ptr<optim::Optimizer> make_optimizer(Mechanism mechanism, double lr, const Store& state,
                                                 const Store& target);

// The identity's rate for the mechanism and what it changes: theta, or the phi of a behavior.
double rate_of(const Identity& identity, Mechanism mechanism, const Store& target);

// The course by which the mechanism learns the task, of no number of steps. Its streams are
// batches and actions of `stream`. Policy gradient sees rewards only: 1 for naming the right class,
// else 0 (a contextual bandit): REINFORCE (Williams 1992) with the mean reward of the batch's other
// samples as baseline and 0.2 times the policy's mean entropy as a bonus, then Adam.
rbl::Course course_of(const Identity& identity, const Task& task, Mechanism mechanism, double lr,
                      const Rng& stream);

// What an adaptation tells those who keep something of it (rbl/rollback.h).
struct Hooks {
  std::function<void(const Store& target)> after_step = {};
  std::function<void(const Store& state)> after_optimizer = {};
};

// Arms are matched on score, not on steps: an adaptation goes on until the score on its training
// examples, looked at every so many steps. Without a score it runs its steps.
struct Goal {
  std::optional<double> score;
  std::uint64_t check_every = 20;
  std::uint64_t most_steps = 4000;
  std::optional<Reason> reason = {};  // in place of the optimizer's own
  // In place of the score: asked before every step.
  std::function<bool(const nn::Model& function)> done = {};
};
Goal goal_of(const Identity& identity, Mechanism mechanism);

struct Adapted {
  std::uint64_t steps = 0;
  bool reached = false;  // the score, or what is in its place, within the most steps
};

// Changes `target`, by whose values `function` computes. The optimizer's state goes to a fresh
// store "optimizer.<name of target>".
Adapted adapt(Ledger& ledger, const Store& target, const nn::Model& function,
              const Identity& identity, const Task& task, const rbl::Course& course,
              const Goal& goal, const Hooks& hooks = {});
Adapted adapt(Ledger& ledger, const Store& target, const nn::Model& function,
              const Identity& identity, const Task& task, Mechanism mechanism, const Rng& stream,
              const Hooks& hooks = {});

}  // namespace palinode::experiments
