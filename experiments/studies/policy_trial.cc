#include "experiments/studies/policy_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "experiments/digits.h"
#include "experiments/policy/text.h"
#include "experiments/studies/trial.h"
#include "nn/mlp.h"
#include "rbl/attach.h"
#include "tensor/error.h"
#include "tensor/shaping.h"

namespace palinode::experiments {
namespace {

using policy::Learned;
using policy::PolicyTask;
using policy::Trainer;

constexpr std::size_t kProbes = 256, kEpisodes = 32;

const std::vector<PolicyTask>& tasks() {
  static const Digits kDigits = make_tasks(embedded_digits());
  static const std::vector<PolicyTask> kTasks = policy::policy_tasks(kDigits);
  return kTasks;
}

const PolicyTask& task_named(std::string_view name) {
  const auto found = std::ranges::find(tasks(), name, &PolicyTask::name);
  if (found == tasks().end()) throw NameError(fmt::format("no policy task \"{}\"", name));
  return *found;
}

// So many rows, spread evenly.
Tensor spread(const Tensor& rows, std::size_t count) {
  const std::size_t all = rows.shape()[0];
  if (all <= count) return rows.copy();
  TensorBuilder index({count}, Dtype::kI32);
  for (std::size_t i = 0; i < count; ++i) {
    index.values<std::int32_t>()[i] = static_cast<std::int32_t>(i * all / count);
  }
  return take(rows, std::move(index).build());
}

void add_curve(Outcome& outcome, const Cell& cell, const std::string& series,
               const Learned& learned, const std::string& data) {
  for (const policy::CurvePoint& point : learned.curve) {
    if (!point.evaluation) continue;
    const double at = static_cast<double>(point.update);
    outcome.points.push_back(cell.point(series, "update", at, "return", *point.evaluation, data));
    outcome.points.push_back(cell.point(series, "update", at, "kl_start", point.kl_start, data));
  }
}

// What a trial needs to know: how the function is judged, learns the second task, and the first.
struct Course {
  const Identity& identity;
  std::string mechanism;
  std::function<double(const nn::Model&)> task_return, identity_return;
  std::function<Learned(Ledger&, const Store& target, const nn::Model&)> learn;
  std::function<void(Ledger&, const Store& theta)> again;
  rbl::BehaviorConfig behavior;
};

Stage look_at(const Course& course, const Store& theta, const nn::Model& function) {
  return {theta, rbl::observe(function, theta, course.identity.probes),
          course.task_return(function), course.identity_return(function)};
}

void fill(Row& row, const Learned& learned, const rbl::Rollback& rollback) {
  row.steps = learned.updates;
  row.score_reached = learned.stop == policy::Stop::kTargetReached;
  row.bytes_kept = rollback.bytes_kept();
  row.seconds = rollback.price().seconds;
}

void run_on_theta(const Cell& cell, const Course& course, Outcome& outcome) {
  const Identity& identity = course.identity;
  Ledger ledger(identity.level);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  ledger.commit(copy_of(*identity.theta, theta));
  Rollbacks rollbacks;
  rollbacks.push_back(rbl::no_rollback());
  rollbacks.push_back(rbl::snapshot());
  rollbacks.push_back(rbl::subtract_delta());
  rollbacks.push_back(rbl::fine_tune_back(course.again));
  for (const auto& rollback : rollbacks) rollback->before(theta);
  const auto network = identity.build(theta);
  const Learned learned = course.learn(ledger, theta, *network);
  for (const auto& rollback : rollbacks) rollback->after(theta);
  add_curve(outcome, cell, course.mechanism + " on theta", learned, identity.data);
  const Stage adapted = look_at(course, theta, *network);
  for (const auto& rollback : rollbacks) {
    const Store& fork = ledger.open(fmt::format("theta.{}", rollback->id()), Role::kIdentity);
    ledger.commit(copy_of(theta, fork));
    const auto fork_network = identity.build(fork);
    rbl::Subject subject(ledger, fork, *fork_network);
    rollback->undo(subject);
    outcome.rows.push_back(make_row(identity, {"E5", course.mechanism}, "theta", rollback->id(),
                                    adapted, look_at(course, fork, subject.function())));
    fill(outcome.rows.back(), learned, *rollback);
  }
}

void run_on_phi(const Cell& cell, const Course& course, Outcome& outcome) {
  const Identity& identity = course.identity;
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer behavior = rbl::make_behavior(phi, *identity.network, course.behavior);
  ledger.commit(behavior->init(identity.rng.stream("lora")));
  const rbl::Attached function = rbl::attach(*identity.network, behavior);
  const Learned learned = course.learn(ledger, phi, function);
  add_curve(outcome, cell, course.mechanism + " on phi", learned, identity.data);
  const Stage adapted = look_at(course, *identity.theta, function);
  Rollbacks rollbacks;
  rollbacks.push_back(rbl::no_rollback());
  rollbacks.push_back(rbl::unload());
  for (const auto& rollback : rollbacks) {
    rbl::Subject subject(ledger, *identity.theta, *identity.network, behavior);
    rollback->undo(subject);
    Row row = make_row(identity, {"E5", course.mechanism}, "phi", rollback->id(), adapted,
                       look_at(course, *identity.theta, subject.function()));
    fill(row, learned, *rollback);
    row.phi_digest = hex(fingerprint(phi));
    row.bytes_behavior = phi.bytes();
    outcome.rows.push_back(std::move(row));
  }
}

}  // namespace

bool is_policy_task(std::string_view name) {
  return std::ranges::find(tasks(), name, &PolicyTask::name) != tasks().end();
}

Outcome policy_trial(const Cell& cell, Trainer trainer, std::uint64_t back_updates) {
  const PolicyTask& task = task_named(cell.model());
  const Rng rng = cell.rng().stream(fmt::format("e5/{}", policy::trainer_name(trainer)));
  Outcome outcome;
  Identity identity;
  identity.ledger = std::make_unique<Ledger>(cell.options().level);
  identity.rng = cell.rng();
  identity.level = cell.options().level;
  identity.model = fmt::format("mlp-{}", fmt::join(task.policy.sizes, "-"));
  identity.data = task.name;
  identity.theta = &identity.ledger->open("theta", Role::kIdentity);
  identity.build = [config = task.policy](const Store& theta) {
    return std::make_unique<nn::Mlp>(theta, config);
  };
  identity.network = identity.build(*identity.theta);
  identity.ledger->commit(identity.network->init(rng.stream("init")));
  const std::string mechanism(policy::trainer_name(trainer));
  add_curve(outcome, cell, mechanism + " of the identity",
            policy::train(*identity.ledger, *identity.theta, *identity.network, task.identity,
                          trainer, task.on_identity, "identity", rng.stream("identity")),
            identity.data);
  identity.ledger->freeze(*identity.theta);

  const auto mean_return = [&rng](const Environment& environment) {
    return [&rng, &environment](const nn::Model& function) {
      return policy::evaluate(function, environment, kEpisodes, rng.stream("judge")).mean_return;
    };
  };
  const Course course{
      .identity = identity,
      .mechanism = mechanism,
      .task_return = mean_return(task.adaptation),
      .identity_return = mean_return(task.identity),
      .learn =
          [&](Ledger& ledger, const Store& target, const nn::Model& function) {
            return policy::train(ledger, target, function, task.adaptation, trainer,
                                 target.role() == Role::kBehavior ? task.on_phi : task.on_theta,
                                 "adapt." + target.name(), rng.stream("adapt"));
          },
      .again =
          [&](Ledger& ledger, const Store& theta) {
            policy::Settings settings = task.on_identity;
            for (policy::Goal* goal : {&settings.reinforce.goal, &settings.ppo.goal}) {
              goal->updates = back_updates;
            }
            policy::train(ledger, theta, *identity.build(theta), task.identity, trainer, settings,
                          "back." + theta.name(), rng.stream("back"));
          },
      .behavior = policy::policy_behavior()};
  identity.probes = spread(
      policy::evaluate(*identity.network, task.identity, kEpisodes, rng.stream("probes")).inputs,
      kProbes);
  identity.seen = rbl::observe(*identity.network, *identity.theta, identity.probes);
  identity.task_metric = course.task_return(*identity.network);
  identity.identity_metric = course.identity_return(*identity.network);
  run_on_theta(cell, course, outcome);
  run_on_phi(cell, course, outcome);
  return outcome;
}

Outcome text_trial(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Rng rng = cell.rng().stream("e5/text");
  const policy::TextTask task = policy::vowels_task(austen_tokenizer());
  const auto reward = [&](const nn::Model& model) {
    constexpr std::size_t kSamples = 16;
    return policy::continue_prompts(model, task, kSamples, rng.stream("judge")).mean_reward();
  };
  const Course course{
      .identity = identity,
      .mechanism = "reinforce",
      .task_return = reward,
      .identity_return =
          [&](const nn::Model& model) { return score(model, identity.original.held_out); },
      .learn =
          [&](Ledger& ledger, const Store& target, const nn::Model& function) {
            return policy::reinforce_text(ledger, target, function, task,
                                          policy::vowels_config(target.role()),
                                          "adapt." + target.name(), rng.stream("adapt"));
          },
      .again =
          [&](Ledger& ledger, const Store& theta) {
            const rbl::Course again = {
                .loss = task_loss(identity.original, rng.stream("back"), identity.back_batch),
                .optimizer = rbl::adam({.lr = identity.back_lr}),
                .steps = identity.back_steps};
            rbl::run(ledger, theta, *identity.build(theta), again,
                     {.state = "back." + theta.name(), .seed = cell.seed()});
          },
      .behavior = lora_config()};
  Outcome outcome;
  run_on_theta(cell, course, outcome);
  run_on_phi(cell, course, outcome);
  // The base metric of a row is f0's on the adaptation's task, which here is the reward.
  const double base = reward(*identity.network);
  for (Row& row : outcome.rows) row.task_metric_base = base;
  return outcome;
}

}  // namespace palinode::experiments
