// E5: policy gradient, on theta and on phi, at matched reward and at matched divergence.
//
//   digits-mlp    the shifted task of E4 as a contextual bandit, to the same score as E4's Adam
//   digits-bandit, cartpole-..., grid-goal
//                 a policy learns a second task (policy/tasks.h), by REINFORCE and by PPO
//   austen-gpt    the language identity is paid for vowels: learning from feedback in miniature
//
// The reward does not say what to do, so the identity must explore; an entropy bonus keeps it from
// being too sure of its old answers.
//
// Matched reward: a run ends at the target reward, and theta is taken back by every arm of E4 but
// R9 to R11. Those invert a step by the gradient at the values before it, which here depends on
// episodes that were played by these values: played again by values with other last bits, one
// action falls the other way and the episode, and with it the gradient, is another. E13 shows how
// far the replay of Adam comes where the batches are kept.
//
// Matched divergence: the same runs once more, each ended by its first update after which KL(f0 ||
// f) on the identity's own states is at the target. What has been learned for it, by theta and by
// phi, and on digits-mlp from rewards and from labels (Adam)?
//
// Paper: the title's claim about reinforcement learning, for which it reports no measurement. No
// direction is assumed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "experiments/studies/arms.h"
#include "experiments/studies/policy_trial.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "experiments/usage_error.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

const Words kModels = {"digits-mlp",     "digits-bandit", "cartpole-crossed",
                       "cartpole-stand", "grid-goal",     "austen-gpt"};

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp", "digits-bandit", "cartpole-crossed", "grid-goal", "austen-gpt"}, kModels,
    {{"back_updates", "budget of R6: updates on the identity's own environment", 20.0, 20.0},
     {"arms", "rollbacks of theta", Words{"R0", "R1", "R3", "R4-int8", "R6", "R7", "R16-10%"},
      Words{"R0", "R1", "R2", "R3", "R4-noise", "R4-int8", "R4-bf16", "R5", "R6-short", "R6",
            "R6-long", "R7", "R8", "R16-1%", "R16-10%", "R16-50%", "R18"}},
     {"arms_large", "rollbacks of theta of austen-gpt", Words{"R0", "R1", "R3", "R6"},
      Words{"R0", "R1", "R3", "R4-int8", "R6-short", "R6", "R7", "R16-10%"}},
     {"kl_models", "models that run to a divergence too", Words{"digits-mlp", "grid-goal"},
      kModels},
     {"kl_target", "that divergence, nats; 0: the model's own", 0.0, 0.0}});

// A divergence that theta and phi both pass on their way to the target reward, late enough to have
// learned something by then.
struct KlTarget {
  std::string_view model;
  double nats;
};
constexpr std::array kKlTargets = {
    KlTarget{"digits-mlp", 0.5},       KlTarget{"digits-bandit", 1},
    KlTarget{"cartpole-crossed", 0.4}, KlTarget{"cartpole-stand", 0.3},
    KlTarget{"grid-goal", 2},          KlTarget{"austen-gpt", 0.1}};

std::optional<double> kl_target(const Cell& cell) {
  const Words& models = cell.settings().words("kl_models");
  if (std::ranges::find(models, cell.model()) == models.end()) return std::nullopt;
  const double set = cell.settings().number("kl_target");
  if (set != 0) return set;
  const auto found = std::ranges::find(kKlTargets, cell.model(), &KlTarget::model);
  if (found == kKlTargets.end()) {
    throw UsageError(
        fmt::format("E5: {} has no KL target of its own; set kl_target", cell.model()));
  }
  return found->nats;
}

// The identity's shifted task, from rewards or from labels.
void run_task(const Cell& cell, Mechanism mechanism, std::span<const std::string> names,
              std::optional<double> kl, Outcome& outcome) {
  const Identity& identity = cell.identity();
  const Label label = policy_label(mechanism_name(mechanism), kl);
  const Rng stream = identity.rng.stream("adapt");
  double words_changed = 0;
  const Change change = counting(
      [&](Ledger& ledger, const Store& target, const nn::Model& function, const Hooks& hooks) {
        Goal goal = goal_of(identity, mechanism);
        if (kl) goal.done = diverged(identity, *kl);
        return adapt(ledger, target, function, identity, identity.shifted(),
                     course_of(identity, identity.shifted(), mechanism,
                               rate_of(identity, mechanism, target), stream),
                     goal, hooks);
      },
      words_changed);
  const auto add = [&](std::vector<Row> rows) {
    add_run(outcome, cell, rows.front(), words_changed);
    outcome.add(std::move(rows));
  };
  const Arms arms = make_arms(names, {.identity = identity,
                                      .task = identity.shifted(),
                                      .mechanism = mechanism,
                                      .stream = stream,
                                      .lr = identity.recipes.at(mechanism).lr_theta});
  add(trial_on_theta(identity, label, change, arms.before, arms.late));
  Rollbacks on_phi;
  on_phi.push_back(rbl::no_rollback());
  on_phi.push_back(rbl::unload());
  add(trial_on_phi(identity, label, change, on_phi, identity.rng.stream("lora")));
}

Outcome task_trial(const Cell& cell, const PolicyTrial& config) {
  constexpr Mechanism kPolicy = Mechanism::kPolicyGradient, kLabels = Mechanism::kAdam;
  Outcome outcome;
  run_task(cell, kPolicy, config.arms, std::nullopt, outcome);
  if (!config.kl) return outcome;
  for (const Mechanism mechanism : {kPolicy, kLabels}) {
    run_task(cell, mechanism, kArmsAtKl, config.kl, outcome);
  }
  const auto run = [&](Mechanism mechanism, std::string_view locus) -> const Row& {
    return run_of(outcome, policy_label(mechanism_name(mechanism), config.kl), locus);
  };
  for (const Mechanism mechanism : {kPolicy, kLabels}) {
    add_difference(outcome, cell,
                   fmt::format("{} at KL {:g}, phi - theta", mechanism_name(mechanism), *config.kl),
                   run(mechanism, "phi"), run(mechanism, "theta"));
  }
  for (const char* locus : {"theta", "phi"}) {
    add_difference(outcome, cell,
                   fmt::format("{} - {} at KL {:g} on {}", mechanism_name(kPolicy),
                               mechanism_name(kLabels), *config.kl, locus),
                   run(kPolicy, locus), run(kLabels, locus));
  }
  return outcome;
}

Outcome run(const Cell& cell) {
  const Settings& settings = cell.settings();
  const bool text = cell.model() == "austen-gpt";
  const PolicyTrial config = {.arms = settings.words(text ? "arms_large" : "arms"),
                              .kl = kl_target(cell),
                              .back_updates = settings.count("back_updates")};
  if (text) return text_trial(cell, config);
  if (!is_policy_task(cell.model())) return task_trial(cell, config);
  Outcome outcome;
  for (const policy::Trainer trainer : {policy::Trainer::kReinforce, policy::Trainer::kPpo}) {
    Outcome more = policy_trial(cell, trainer, config);
    outcome.add(std::move(more.rows));
    for (Point& point : more.points) outcome.points.push_back(std::move(point));
  }
  return outcome;
}

// ln of KL after policy gradient over KL after E4's Adam, of the seeds both have.
Judgement judge_drift(const Evidence& evidence) {
  const char* statement =
      "policy gradient on theta drifts less from the identity than Adam on labels to the same "
      "score";
  Tally drifts(statement, "models");
  for (const Group* policy : groups_like(evidence.groups, "E5", "theta", "policy-gradient", "R0")) {
    const std::string& model = policy->first().model;
    for (const Group* adam : groups_like(evidence.groups, "E4", "theta", "adam", "R0")) {
      if (adam->first().model != model) continue;
      std::vector<double> ratios;
      for (const Row* row : policy->rows) {
        for (const Row* other : adam->rows) {
          if (other->seed == row->seed) ratios.push_back(row->kl_adapt / other->kl_adapt);
        }
      }
      if (ratios.empty()) continue;
      kernels::log(std::span<const double>(ratios), std::span<double>(ratios));
      const Summary drift = summarize(ratios, "drift");
      const std::size_t missed = policy->score_missed + adam->score_missed;
      drifts.add(missed > 0 ? Case::kUndecided : below(drift, 0), model,
                 fmt::format("mean ln ratio {}{}", interval_of(drift),
                             missed > 0 ? fmt::format(", {} runs missed the score", missed) : ""));
    }
  }
  const Judgement judged = drifts.judgement();
  return judged.of > 0 ? judged : open_for(statement, "needs E4's Adam on a model of E5's");
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally unloads("on phi every bit is that of before after the unload", "runs");
  add_exact(unloads, groups_like(evidence.groups, "E5", "phi", "", "R17"));
  return {unloads.judgement(), judge_drift(evidence)};
}

}  // namespace

extern const Study kPolicyGradient = {
    "E5",
    "policy-gradient",
    "the claim that RL entangles identity and behavior",
    "does policy gradient on theta entangle, and on phi not",
    "phi: equal bits on every seed; theta: drift against E4's Adam at the same score, direction "
    "open: less if the 95 % interval of the mean ln ratio of KL, paired by seed, lies below 0, "
    "more if above, open if a run missed the score",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
