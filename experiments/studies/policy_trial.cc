#include "experiments/studies/policy_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "experiments/digits.h"
#include "experiments/policy/text.h"
#include "experiments/studies/arms.h"
#include "nn/mlp.h"
#include "rbl/metrics.h"
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

using Edit = std::function<void(policy::Goal&, policy::Writing&)>;

// What a trial needs to know: how the function is judged, and how it learns the second task.
struct Course {
  const Identity& identity;
  std::string mechanism;
  Look look;
  // Trains a store as the edited settings say.
  std::function<Learned(Ledger&, const Store& target, const nn::Model&, const Edit&)> learn;
  ArmMakers makers;
  rbl::BehaviorConfig behavior;
};

// So many updates, whatever they reach.
Edit exactly(std::uint64_t updates, double scale = 1) {
  return [updates, scale](policy::Goal& goal, policy::Writing& writing) {
    goal.target = std::numeric_limits<double>::infinity();
    goal.updates = updates;
    goal.every = std::max<std::uint64_t>(1, updates);
    writing.scale = scale;
  };
}

// R5 and R8 by the trainer itself, with fresh optimizer, critic and episodes of the same streams.
ArmMakers with_trainer(const Course& course) {
  ArmMakers makers = course.makers;
  const auto train = [&course](const Edit& edit) {
    return [&course, edit](Ledger& ledger, const Store& theta) {
      course.learn(ledger, theta, *course.identity.build(theta), edit);
    };
  };
  makers.estimate = [train](std::uint64_t updates) {
    return rbl::subtract_estimated_delta(train(exactly(updates)));
  };
  makers.ascend = [train](std::uint64_t updates) {
    return rbl::gradient_ascent(train(exactly(ascent_steps(updates), -1)));
  };
  return makers;
}

// Both loci to one end: the target reward, or a divergence.
void run_both(const Cell& cell, const Course& course, std::span<const std::string> names,
              std::optional<double> kl, Outcome& outcome) {
  const Identity& identity = course.identity;
  const Label label = policy_label(course.mechanism, kl);
  double words_changed = 0;
  const Change change = counting(
      [&](Ledger& ledger, const Store& target, const nn::Model& function, const Hooks& hooks) {
        const Learned learned = course.learn(
            ledger, target, function, [&](policy::Goal& goal, policy::Writing& writing) {
              writing.after_step = hooks.after_step;
              if (!kl) return;
              goal.done = diverged(identity, *kl);
              goal.every = goal.updates;  // nothing depends on the returns on the way
            });
        if (!kl) {
          add_curve(outcome, cell, fmt::format("{} on {}", course.mechanism, target.name()),
                    learned, identity.data);
        }
        return Adapted{learned.updates, learned.stop == policy::Stop::kTargetReached};
      },
      words_changed);
  const auto add = [&](std::vector<Row> rows) {
    for (Row& row : rows) {
      row.passes = 0;
      row.flops = 0;
    }
    add_run(outcome, cell, rows.front(), words_changed);
    outcome.add(std::move(rows));
  };
  const Arms arms = make_arms(names, with_trainer(course));
  add(trial_on_theta(identity, label, change, arms.before, arms.late, course.look));
  Rollbacks on_phi;
  on_phi.push_back(rbl::no_rollback());
  on_phi.push_back(rbl::unload());
  add(trial_on_phi(identity, label, change, on_phi, identity.rng.stream("lora"), course.behavior,
                   course.look));
}

void run_course(const Cell& cell, const Course& course, const PolicyTrial& config,
                Outcome& outcome) {
  run_both(cell, course, config.arms, std::nullopt, outcome);
  if (!config.kl) return;
  run_both(cell, course, kArmsAtKl, config.kl, outcome);
  const Label label = policy_label(course.mechanism, config.kl);
  add_difference(outcome, cell, fmt::format("{} {:g}, phi - theta", label.mechanism, *config.kl),
                 run_of(outcome, label, "phi"), run_of(outcome, label, "theta"));
}

// R7 on states of the identity's own episodes.
std::unique_ptr<rbl::Rollback> distil_policy(const Identity& identity, const Environment& task,
                                             const Rng& stream) {
  constexpr std::size_t kKept = 1024;
  const Tensor inputs =
      spread(policy::evaluate(*identity.network, task, kEpisodes, stream.stream("episodes")).inputs,
             kKept);
  return distil_back(identity, inputs, stream);
}

// Trains a store on the identity's own task.
using TrainIdentity = std::function<Learned(Ledger&, const Store& theta, const std::string& state,
                                            const Rng& stream, const Edit&)>;

// R6, R7, and R18 by as many updates as the identity had.
ArmMakers own_makers(const Identity& identity, const Environment& task, const TrainIdentity& train,
                     const Rng& rng, std::uint64_t back_updates, std::uint64_t first_updates) {
  ArmMakers makers{.rng = identity.rng};
  makers.fine_tune_back = [train, rng, back_updates](double times) {
    const auto updates = static_cast<std::uint64_t>(static_cast<double>(back_updates) * times);
    return rbl::fine_tune_back(
        [train, rng, updates](Ledger& ledger, const Store& theta) {
          // The whole budget: an adapted policy may meet the identity's return and answer
          // otherwise.
          train(ledger, theta, "back." + theta.name(), rng.stream("back"), exactly(updates));
        },
        times == 1 ? "" : fmt::format("{}-updates", updates));
  };
  makers.distil_back = [&identity, &task, rng] {
    return distil_policy(identity, task, rng.stream("distil"));
  };
  makers.retrain = [&identity, train, rng, first_updates] {
    return rbl::retrain(identity.init, [train, rng, first_updates](Ledger& ledger,
                                                                   const Store& theta) {
      train(ledger, theta, "again." + theta.name(), rng.stream("identity"), exactly(first_updates));
    });
  };
  return makers;
}

void edit_both(policy::Settings& settings, const Edit& edit) {
  edit(settings.reinforce.goal, settings.reinforce.writing);
  edit(settings.ppo.goal, settings.ppo.writing);
  for (policy::Goal* goal : {&settings.reinforce.goal, &settings.ppo.goal}) {
    // No evaluation decides anything; it has streams of its own.
    if (goal->done || std::isinf(goal->target)) goal->episodes = 1;
  }
}

}  // namespace

bool is_policy_task(std::string_view name) {
  return std::ranges::find(tasks(), name, &PolicyTask::name) != tasks().end();
}

Label policy_label(std::string_view mechanism, std::optional<double> kl) {
  return {"E5", kl ? fmt::format("{} at KL", mechanism) : std::string(mechanism), kl};
}

Change counting(const Change& change, double& share) {
  return [change, &share](Ledger& ledger, const Store& target, const nn::Model& function,
                          const Hooks& hooks) {
    const Store& start = ledger.open("start." + target.name(), target.role());
    ledger.commit(copy_of(target, start));
    const Adapted adapted = change(ledger, target, function, hooks);
    share = static_cast<double>(rbl::words_changed(start, target)) /
            static_cast<double>(target.elements());
    return adapted;
  };
}

void add_run(Outcome& outcome, const Cell& cell, const Row& row, double words_changed) {
  const std::string series = fmt::format(
      "{}{} on {}", row.mechanism, row.alpha ? fmt::format(" {:g}", *row.alpha) : "", row.locus);
  const auto add = [&](const char* quantity, double value) {
    outcome.points.push_back(cell.point(series, "", 0, quantity, value, row.data));
  };
  add("return_before", row.task_metric_base);
  add("return_after", row.task_metric_adapt);
  add("kl_old_states", row.kl_adapt);
  add("words_changed", words_changed);
  add("updates", static_cast<double>(row.steps));
}

void add_difference(Outcome& outcome, const Cell& cell, const std::string& series, const Row& run,
                    const Row& other) {
  const double value = run.score_reached && other.score_reached
                           ? run.task_metric_adapt - other.task_metric_adapt
                           : std::numeric_limits<double>::quiet_NaN();
  outcome.points.push_back(cell.point(series, "", 0, "return_after", value, run.data));
}

const Row& run_of(const Outcome& outcome, const Label& label, std::string_view locus) {
  const auto found = std::ranges::find_if(outcome.rows, [&](const Row& row) {
    return row.mechanism == label.mechanism && row.locus == locus;
  });
  if (found == outcome.rows.end()) {
    throw NameError(fmt::format("no run \"{}\" on {}", label.mechanism, locus));
  }
  return *found;
}

Outcome policy_trial(const Cell& cell, Trainer trainer, const PolicyTrial& config) {
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
  identity.build = [network = task.policy](const Store& theta) {
    return std::make_unique<nn::Mlp>(theta, network);
  };
  identity.network = identity.build(*identity.theta);
  identity.init = [&](const Store& theta) {
    return identity.build(theta)->init(rng.stream("init"));
  };
  identity.ledger->commit(identity.init(*identity.theta));
  const std::string mechanism(policy::trainer_name(trainer));
  const TrainIdentity on_identity = [&](Ledger& ledger, const Store& theta,
                                        const std::string& state, const Rng& stream,
                                        const Edit& edit) {
    policy::Settings settings = task.on_identity;
    edit_both(settings, edit);
    return policy::train(ledger, theta, *identity.build(theta), task.identity, trainer, settings,
                         state, stream);
  };
  const Learned first = on_identity(*identity.ledger, *identity.theta, "identity",
                                    rng.stream("identity"), [](policy::Goal&, policy::Writing&) {});
  add_curve(outcome, cell, mechanism + " of the identity", first, identity.data);
  identity.ledger->freeze(*identity.theta);

  const auto mean_return = [&rng](const nn::Model& function, const Environment& environment) {
    return policy::evaluate(function, environment, kEpisodes, rng.stream("judge")).mean_return;
  };
  const Course course{
      .identity = identity,
      .mechanism = mechanism,
      .look =
          [&](const Store& theta, const nn::Model& function) {
            return Stage{theta, rbl::observe(function, theta, identity.probes),
                         mean_return(function, task.adaptation),
                         mean_return(function, task.identity)};
          },
      .learn =
          [&](Ledger& ledger, const Store& target, const nn::Model& function, const Edit& edit) {
            policy::Settings settings =
                target.role() == Role::kBehavior ? task.on_phi : task.on_theta;
            edit_both(settings, edit);
            return policy::train(ledger, target, function, task.adaptation, trainer, settings,
                                 "adapt." + target.name(), rng.stream("adapt"));
          },
      .makers =
          own_makers(identity, task.identity, on_identity, rng, config.back_updates, first.updates),
      .behavior = policy::policy_behavior()};
  identity.probes = spread(
      policy::evaluate(*identity.network, task.identity, kEpisodes, rng.stream("probes")).inputs,
      kProbes);
  identity.seen = rbl::observe(*identity.network, *identity.theta, identity.probes);
  identity.task_metric = mean_return(*identity.network, task.adaptation);
  identity.identity_metric = mean_return(*identity.network, task.identity);
  run_course(cell, course, config, outcome);
  return outcome;
}

Outcome text_trial(const Cell& cell, const PolicyTrial& config) {
  const Identity& identity = cell.identity();
  const Rng rng = cell.rng().stream("e5/text");
  const policy::TextTask task = policy::vowels_task(austen_tokenizer());
  const auto reward = [&](const nn::Model& model) {
    constexpr std::size_t kSamples = 16;
    return policy::continue_prompts(model, task, kSamples, rng.stream("judge")).mean_reward();
  };
  Course course{
      .identity = identity,
      .mechanism = "reinforce",
      .look =
          [&](const Store& theta, const nn::Model& function) {
            return Stage{theta, rbl::observe(function, theta, identity.probes), reward(function),
                         score(function, identity.original.held_out)};
          },
      .learn =
          [&](Ledger& ledger, const Store& target, const nn::Model& function, const Edit& edit) {
            policy::TextConfig settings = policy::vowels_config(target.role());
            edit(settings.goal, settings.writing);
            return policy::reinforce_text(ledger, target, function, task, settings,
                                          "adapt." + target.name(), rng.stream("adapt"));
          },
      .makers = {.rng = identity.rng},
      .behavior = lora_config()};
  course.makers.fine_tune_back = [&](double times) {
    const auto steps = static_cast<std::uint64_t>(static_cast<double>(identity.back_steps) * times);
    return rbl::fine_tune_back(
        [&, steps](Ledger& ledger, const Store& theta) {
          rbl::run(ledger, theta, *identity.build(theta),
                   {.loss = task_loss(identity.original, rng.stream("back"), identity.back_batch),
                    .optimizer = rbl::adam({.lr = identity.back_lr}),
                    .steps = steps},
                   {.state = "back." + theta.name(), .seed = cell.seed()});
        },
        times == 1 ? "" : fmt::format("{}-steps", steps));
  };
  course.makers.distil_back = [&] { return distil_back(identity); };
  Outcome outcome;
  run_course(cell, course, config, outcome);
  // The base metric of a row is f0's on the adaptation's task, which here is the reward.
  const double base = reward(*identity.network);
  for (Row& row : outcome.rows) row.task_metric_base = base;
  for (Point& point : outcome.points) {
    if (point.quantity == "return_before") point.value = base;
  }
  return outcome;
}

}  // namespace palinode::experiments
