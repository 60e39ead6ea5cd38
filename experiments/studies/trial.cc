#include "experiments/studies/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "rbl/diagnostics/invariants.h"
#include "rbl/diagnostics/recovery.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A course on what the identity was trained on, with the budget of the rollbacks.
rbl::Course original_course(const Identity& identity, std::uint64_t steps) {
  return {.loss = task_loss(identity.original, identity.rng.stream("back"), identity.back_batch),
          .optimizer = rbl::adam({.lr = identity.back_lr}),
          .steps = steps};
}

Look usual_look(const Identity& identity) {
  return [&identity](const Store& theta, const nn::Model& function) {
    return look(identity, theta, function);
  };
}

void price(Row& row, const rbl::Rollback& rollback, const Adapted& adapted, std::uint64_t writes,
           double adapt_seconds) {
  const rbl::Price paid = rollback.price();
  row.variant = rollback.variant();
  row.steps = adapted.steps;
  row.score_reached = adapted.reached;
  // What is left of a journal by zstd depends on its version, so its size before that is told.
  const bool journal = rollback.info().needs.contains(rbl::Need::kJournal);
  row.bytes_kept = journal ? writes * row.bytes_snapshot : paid.bytes_kept;
  row.passes = paid.passes;
  row.flops = paid.flops;
  row.seconds = adapt_seconds + paid.seconds;
}

}  // namespace

Change learn(const Identity& identity, const Task& task, Mechanism mechanism, const Rng& stream) {
  return [&identity, &task, mechanism, stream](Ledger& ledger, const Store& target,
                                               const nn::Model& function, const Hooks& hooks) {
    return adapt(ledger, target, function, identity, task, mechanism, stream, hooks);
  };
}

Change commit_once(const std::function<Proposal(const Store& target)>& propose) {
  return [propose](Ledger& ledger, const Store& target, const nn::Model&, const Hooks& hooks) {
    ledger.commit(propose(target));
    if (hooks.after_step) hooks.after_step(target);
    return Adapted{.steps = 0, .reached = true};
  };
}

std::function<bool(const nn::Model& function)> diverged(const Identity& identity, double nats) {
  return [&identity, nats](const nn::Model& function) {
    const Tensor now = rbl::log_probabilities(nn::evaluate(function, identity.probes).compact());
    return rbl::kl_divergence(identity.seen.log_p, now).mean >= nats;
  };
}

rbl::BehaviorConfig lora_config() {
  return {.kind = "lora", .settings = {{"rank", 8}, {"alpha", 16}}};
}

std::unique_ptr<rbl::Rollback> fine_tune_back(const Identity& identity) {
  return fine_tune_back(identity, identity.back_steps);
}

std::unique_ptr<rbl::Rollback> fine_tune_back(const Identity& identity, std::uint64_t steps) {
  return rbl::fine_tune_back(original_course(identity, steps));
}

std::unique_ptr<rbl::Rollback> distil_back(const Identity& identity) {
  return distil_back(identity, identity.original.train.x, identity.rng.stream("distil"));
}

std::unique_ptr<rbl::Rollback> distil_back(const Identity& identity, const Tensor& inputs,
                                           const Rng& stream) {
  return rbl::distil_back(
      {.inputs = inputs,
       .log_p = rbl::log_probabilities(nn::evaluate(*identity.network, inputs).compact()),
       .batch = identity.back_batch,
       .steps = identity.back_steps,
       .optimizer = rbl::adam({.lr = identity.back_lr}),
       .rng = stream});
}

Stage look(const Identity& identity, const Store& theta, const nn::Model& function) {
  return {theta, rbl::observe(function, theta, identity.probes),
          score(function, identity.shifted().held_out),
          score(function, identity.original.held_out)};
}

Row make_row(const Identity& identity, const Label& label, std::string_view locus,
             std::string_view rollback, const Stage& adapted, const Stage& recovered) {
  const rbl::Observation& f0 = identity.seen;
  Row row{.study = label.study,
          .model = identity.model,
          .data = identity.data,
          .locus = std::string(locus),
          .mechanism = label.mechanism,
          .alpha = label.alpha,
          .rollback = std::string(rollback),
          .seed = identity.rng.seed()};
  // Each is checked against what a divergence can be before it is written.
  const auto compare = [&](const rbl::Observation& seen) {
    const rbl::Divergence kl = rbl::kl_divergence(f0.log_p, seen.log_p);
    const rbl::Divergence js = rbl::js_divergence(f0.log_p, seen.log_p);
    rbl::check_divergences(kl, js, rbl::same_bits(f0.logits, seen.logits));
    return std::pair(kl, js);
  };
  const auto [kl_adapt, js_adapt] = compare(adapted.seen);
  const auto [left, js_left] = compare(recovered.seen);
  row.kl_adapt = kl_adapt.mean;
  row.js_adapt = js_adapt.mean;
  row.kl_rec = left.mean;
  row.js_rec = js_left.mean;
  row.kl_adapt_resampled = resampled_means(kl_adapt.per_input);
  row.js_adapt_resampled = resampled_means(js_adapt.per_input);
  row.kl_rec_resampled = resampled_means(left.per_input);
  row.js_rec_resampled = resampled_means(js_left.per_input);
  row.rf = rbl::recoverability(row.kl_adapt, row.kl_rec);
  row.rf_geometry = rbl::geometric_recoverability(rbl::distance(*identity.theta, adapted.theta),
                                                  rbl::distance(*identity.theta, recovered.theta));
  row.ils_mean = left.mean;
  row.ils_max = std::ranges::max(left.per_input);
  for (const double d : left.per_input) row.ils_flagged += d > kLeakThreshold ? 1 : 0;
  row.top1_changed = rbl::top1_changed(f0.logits, recovered.seen.logits);
  row.logits_bit_equal = rbl::same_bits(f0.logits, recovered.seen.logits);
  row.words_changed = rbl::words_changed(*identity.theta, recovered.theta);
  row.words = identity.theta->elements();
  row.distance_adapt = rbl::relative_distance(*identity.theta, adapted.theta);
  row.distance_rec = rbl::relative_distance(*identity.theta, recovered.theta);
  row.theta_fingerprint_before = hex(f0.fingerprint);
  row.theta_fingerprint_after = hex(recovered.seen.fingerprint);
  row.task_metric_base = identity.task_metric;
  row.task_metric_adapt = adapted.task_metric;
  row.task_metric_rec = recovered.task_metric;
  row.identity_metric_base = identity.identity_metric;
  row.identity_metric_adapt = adapted.identity_metric;
  row.identity_metric_rec = recovered.identity_metric;
  row.bytes_snapshot = identity.theta->bytes();
  return row;
}

std::vector<Row> trial_on_theta(const Identity& identity, const Label& label, const Change& change,
                                const Rollbacks& rollbacks, const LateArms& late,
                                const Look& other) {
  const Look look_at = other ? other : usual_look(identity);
  const Stopwatch adapting;
  Ledger ledger(identity.level);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  ledger.commit(copy_of(*identity.theta, theta));
  for (const auto& rollback : rollbacks) rollback->before(theta);
  const auto model = identity.build(theta);
  const Store* state = nullptr;
  Hooks hooks;
  hooks.after_optimizer = [&](const Store& last) {
    state = &last;
    for (const auto& rollback : rollbacks) rollback->after_optimizer(last);
  };
  std::uint64_t writes = 0;
  hooks.after_step = [&](const Store& target) {
    ++writes;
    for (const auto& rollback : rollbacks) rollback->after_step(target);
  };
  const Adapted adapted = change(ledger, theta, *model, hooks);
  for (const auto& rollback : rollbacks) rollback->after(theta);
  const Stage stage = look_at(theta, *model);
  const double adapt_seconds = adapting.seconds();

  Rollbacks later;
  if (late) later = late(adapted.steps);
  for (const auto& rollback : later) {
    if (state != nullptr) rollback->after_optimizer(*state);
    rollback->after(theta);
  }
  std::vector<Row> rows;
  const auto undo = [&](rbl::Rollback& rollback) {
    const Store& fork = ledger.open(fmt::format("theta.{}", rows.size()), Role::kIdentity);
    ledger.commit(copy_of(theta, fork));
    const auto fork_model = identity.build(fork);
    rbl::Subject subject(ledger, fork, *fork_model);
    rollback.undo(subject);
    Row row =
        make_row(identity, label, "theta", rollback.id(), stage, look_at(fork, subject.function()));
    price(row, rollback, adapted, writes, adapt_seconds);
    rows.push_back(std::move(row));
  };
  for (const auto& rollback : rollbacks) undo(*rollback);
  for (const auto& rollback : later) undo(*rollback);
  return rows;
}

std::vector<Row> trial_on_phi(const Identity& identity, const Label& label, const Change& change,
                              const Rollbacks& rollbacks, const Rng& stream,
                              const rbl::BehaviorConfig& config, const Look& other) {
  const Look look_at = other ? other : usual_look(identity);
  const Stopwatch adapting;
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer behavior = rbl::make_behavior(phi, *identity.network, config);
  ledger.commit(behavior->init(stream));
  for (const auto& rollback : rollbacks) rollback->before(*identity.theta);
  const rbl::Attached function = rbl::attach(*identity.network, behavior);
  const Adapted adapted = change(ledger, phi, function, {});
  for (const auto& rollback : rollbacks) rollback->after(*identity.theta);
  const Stage stage = look_at(*identity.theta, function);
  const double adapt_seconds = adapting.seconds();

  std::vector<Row> rows;
  for (const auto& rollback : rollbacks) {
    rbl::Subject subject(ledger, *identity.theta, *identity.network, behavior);
    rollback->undo(subject);
    Row row = make_row(identity, label, "phi", rollback->id(), stage,
                       look_at(*identity.theta, subject.function()));
    price(row, *rollback, adapted, 0, adapt_seconds);
    row.phi_digest = hex(fingerprint(phi));
    row.bytes_behavior = phi.bytes();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> adaptation_trials(const Identity& identity, std::string_view study,
                                   Mechanism mechanism) {
  const Label label{std::string(study), std::string(mechanism_name(mechanism))};
  const Change change =
      learn(identity, identity.shifted(), mechanism, identity.rng.stream("adapt"));
  Rollbacks on_theta;
  on_theta.push_back(rbl::no_rollback());
  on_theta.push_back(rbl::snapshot());
  on_theta.push_back(rbl::subtract_delta());
  on_theta.push_back(fine_tune_back(identity));
  std::vector<Row> rows = trial_on_theta(identity, label, change, on_theta);
  Rollbacks on_phi;
  on_phi.push_back(rbl::no_rollback());
  on_phi.push_back(rbl::unload());
  for (Row& row : trial_on_phi(identity, label, change, on_phi, identity.rng.stream("lora"))) {
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> trial_on_phi(const Identity& identity, const Label& label, const Change& change,
                              const Rollbacks& rollbacks, const Rng& stream) {
  return trial_on_phi(identity, label, change, rollbacks, stream, lora_config());
}

}  // namespace palinode::experiments
