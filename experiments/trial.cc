#include "experiments/trial.h"

#include <fmt/format.h>

#include <chrono>

#include "nn/mlp.h"
#include "rbl/diagnostics/invariants.h"
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

constexpr TrainConfig kBack = {.lr = 1e-3, .batch = 32, .steps = 200};

}  // namespace

rbl::BehaviorConfig lora_config() {
  return {.kind = "lora", .settings = {{"rank", 8}, {"alpha", 16}}};
}

std::unique_ptr<rbl::Rollback> fine_tune_back(const Identity& identity) {
  return rbl::fine_tune_back([&identity](Ledger& ledger, const Store& theta) {
    train_identity(ledger, theta, identity.digits, identity.rng.stream("back"), kBack,
                   "adam." + theta.name());
  });
}

Stage look(const Identity& identity, const Store& theta, const nn::Model& function) {
  const Digits& digits = identity.digits;
  return {theta, rbl::observe(function, theta, digits.probes),
          rbl::accuracy(nn::evaluate(function, digits.shifted_test.x), digits.shifted_test.y),
          rbl::accuracy(nn::evaluate(function, digits.held_out.x), digits.held_out.y)};
}

Row make_row(const Identity& identity, const Label& label, std::string_view locus,
             std::string_view rollback, const Stage& adapted, const Stage& recovered) {
  const rbl::Observation& f0 = identity.seen;
  Row row{.study = label.study,
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
  row.rf = rbl::recoverability(row.kl_adapt, row.kl_rec);
  row.ils_mean = left.mean;
  for (const double d : left.per_input) row.ils_flagged += d > kLeakThreshold ? 1 : 0;
  row.top1_changed = rbl::top1_changed(f0.logits, recovered.seen.logits);
  row.logits_bit_equal = rbl::same_bits(f0.logits, recovered.seen.logits);
  row.words_changed = rbl::words_changed(identity.theta, recovered.theta);
  row.words = identity.theta.elements();
  row.distance_adapt = rbl::relative_distance(identity.theta, adapted.theta);
  row.distance_rec = rbl::relative_distance(identity.theta, recovered.theta);
  row.theta_fingerprint_before = hex(f0.fingerprint);
  row.theta_fingerprint_after = hex(recovered.seen.fingerprint);
  row.task_metric_base = identity.task_metric;
  row.task_metric_adapt = adapted.task_metric;
  row.task_metric_rec = recovered.task_metric;
  row.identity_metric_base = identity.identity_metric;
  row.identity_metric_adapt = adapted.identity_metric;
  row.identity_metric_rec = recovered.identity_metric;
  row.bytes_snapshot = identity.theta.bytes();
  return row;
}

std::vector<Row> trial_on_theta(const Identity& identity, const Label& label, const Change& change,
                                const Rollbacks& rollbacks) {
  const Stopwatch adapting;
  Ledger ledger(identity.options.level);
  const Store& theta = ledger.open("theta", Role::kIdentity);
  ledger.commit(copy_of(identity.theta, theta));
  for (const auto& rollback : rollbacks) rollback->before(theta);
  const nn::Mlp model(theta, mlp_config());
  const std::uint64_t steps = change(ledger, theta, model);
  for (const auto& rollback : rollbacks) rollback->after(theta);
  const Stage adapted = look(identity, theta, model);
  const double adapt_seconds = adapting.seconds();

  std::vector<Row> rows;
  for (const auto& rollback : rollbacks) {
    const Stopwatch rolling_back;
    const Store& fork = ledger.open(fmt::format("theta.{}", rollback->id()), Role::kIdentity);
    ledger.commit(copy_of(theta, fork));
    const nn::Mlp fork_model(fork, mlp_config());
    rbl::Subject subject(ledger, fork, fork_model);
    rollback->undo(subject);
    Row row = make_row(identity, label, "theta", rollback->id(), adapted,
                       look(identity, fork, subject.function()));
    row.steps = steps;
    row.score_reached = steps < kMostSteps;
    row.bytes_kept = rollback->bytes_kept();
    row.seconds = adapt_seconds + rolling_back.seconds();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> trial_on_phi(const Identity& identity, const Label& label, const Change& change,
                              const Rollbacks& rollbacks, const Rng& stream) {
  const Stopwatch adapting;
  Ledger ledger(identity.options.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const rbl::BehaviorPointer lora = rbl::make_behavior(phi, identity.model, lora_config());
  ledger.commit(lora->init(stream));
  for (const auto& rollback : rollbacks) rollback->before(identity.theta);
  const rbl::Attached function = rbl::attach(identity.model, lora);
  const std::uint64_t steps = change(ledger, phi, function);
  for (const auto& rollback : rollbacks) rollback->after(identity.theta);
  const Stage adapted = look(identity, identity.theta, function);
  const double adapt_seconds = adapting.seconds();

  std::vector<Row> rows;
  for (const auto& rollback : rollbacks) {
    const Stopwatch rolling_back;
    rbl::Subject subject(ledger, identity.theta, identity.model, lora);
    rollback->undo(subject);
    Row row = make_row(identity, label, "phi", rollback->id(), adapted,
                       look(identity, identity.theta, subject.function()));
    row.steps = steps;
    row.score_reached = steps < kMostSteps;
    row.phi_digest = hex(fingerprint(phi));
    row.bytes_kept = rollback->bytes_kept();
    row.bytes_behavior = phi.bytes();
    row.seconds = adapt_seconds + rolling_back.seconds();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> adaptation_trials(const Identity& identity, std::string_view study,
                                   Mechanism mechanism) {
  const Label label{std::string(study), std::string(mechanism_name(mechanism))};
  const Change change = [&identity, mechanism](Ledger& ledger, const Store& target,
                                               const nn::Model& function) {
    return adapt(ledger, target, function, identity.digits.shifted_train,
                 identity.rng.stream("adapt"), mechanism);
  };
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

}  // namespace palinode::experiments
