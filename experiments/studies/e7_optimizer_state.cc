// E7: what an optimizer keeps. A behavior A is trained and unloaded, then a behavior B is trained:
// once where nothing was before, once after A with a fresh optimizer, and once with the optimizer
// that trained A. Theta is the same to the last bit each time, and so every score of the identity
// (KL, ILS, fingerprint) is clean; whether B is the same is another matter.
//
// The other leak is theta among an optimizer's parameters: its gradient is zero, its weight decay
// is not. Two ways to have it: theta frozen, and theta left open.
//
// Paper: nothing; its code makes one optimizer over all parameters, frozen ones too.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/targets.h"
#include "experiments/subjects/labelled_task.h"
#include "rbl/diagnostics/ils.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"steps", "of Adam for each behavior, and of the decay", 100.0, 400.0}});

// What B learns: the second task if there is one, else the first with its classes named anew.
Task task_of_b(const Identity& identity) {
  if (identity.tasks.size() > 1) return identity.tasks[1];
  const Task& a = identity.shifted();
  if (a.train.size() != a.train.x.shape()[0]) return a;  // labels of tokens, not of rows
  return labelled_task(a.name + "-renamed", with_labels_moved(a.train, 1, identity.classes),
                       with_labels_moved(a.held_out, 1, identity.classes));
}

class Leak {
 public:
  explicit Leak(const Cell& cell)
      : identity_(&cell.identity()),
        stream_(cell.rng().stream("e7")),
        steps_(cell.settings().count("steps")),
        task_(task_of_b(*identity_)) {}

  // Trains a fresh B for the steps, its optimizer going on from `moments` if there are some.
  std::unique_ptr<PhiUnit> train_b(const Store* moments) const {
    auto unit = std::make_unique<PhiUnit>(*identity_, stream_.stream("b"));
    const Store& state = unit->ledger().open("optimizer.b", Role::kOptimizer);
    if (moments != nullptr) unit->ledger().commit(copy_of(*moments, state));
    const double lr = rate_of(*identity_, Mechanism::kAdam, unit->store());
    const rbl::Course course = course_of(*identity_, task_, Mechanism::kAdam, lr, stream_);
    const auto optimizer = course.optimizer(state, unit->store());
    for (std::uint64_t t = 0; t < steps_; ++t) {
      unit->ledger().commit(
          optimizer->propose(rbl::pass(unit->function(), course.loss, t).gradients));
    }
    return unit;
  }

  // A, for the steps; calls `see` with the state its optimizer ends in.
  Change train_a(std::function<void(const Store& state)> see) const {
    return [this, see = std::move(see)](Ledger& ledger, const Store& phi, const nn::Model& function,
                                        const Hooks& hooks) {
      Hooks both = hooks;
      both.after_optimizer = [&](const Store& state) {
        if (hooks.after_optimizer) hooks.after_optimizer(state);
        see(state);
      };
      return adapt(ledger, phi, function, *identity_, identity_->shifted(),
                   course_of(*identity_, identity_->shifted(), Mechanism::kAdam,
                             rate_of(*identity_, Mechanism::kAdam, phi), stream_.stream("a")),
                   {.score = std::nullopt, .most_steps = steps_}, both);
    };
  }

  // AdamW over a theta whose gradients are all zero.
  Change decay() const {
    return
        [this](Ledger& ledger, const Store& theta, const nn::Model& function, const Hooks& hooks) {
          const double lr = rate_of(*identity_, Mechanism::kAdamW, theta);
          rbl::Course course = course_of(*identity_, task_, Mechanism::kAdamW, lr, stream_);
          course.loss = [loss = course.loss](nn::Run& run, const nn::Model& f, std::uint64_t t) {
            return scale(loss(run, f, t), 0);
          };
          return adapt(ledger, theta, function, *identity_, task_, course,
                       {.score = std::nullopt, .most_steps = steps_}, hooks);
        };
  }

  bool refused() const {
    Ledger ledger(Ledger::Level::kOff);
    const Store& state = ledger.open("optimizer", Role::kOptimizer);
    try {
      make_optimizer(Mechanism::kAdamW, 1e-3, state, *identity_->theta);
    } catch (const FrozenError&) {
      return true;
    }
    return false;
  }

  const Identity& identity() const { return *identity_; }
  const Rng& stream() const { return stream_; }
  const Task& task() const { return task_; }

 private:
  const Identity* identity_;
  Rng stream_;
  std::uint64_t steps_;
  Task task_;
};

Outcome run(const Cell& cell) {
  const Leak study(cell);
  const Identity& identity = study.identity();
  Outcome outcome;
  const auto add = [&](const char* series, const char* quantity, double value) {
    outcome.points.push_back(cell.point(series, "", 0, quantity, value, identity.data));
  };

  const std::unique_ptr<PhiUnit> fresh = study.train_b(nullptr);
  std::vector<std::unique_ptr<PhiUnit>> after;  // kept, then dropped
  Rollbacks unload;
  unload.push_back(rbl::unload());
  outcome.add(trial_on_phi(identity, {"E7", "adam"}, study.train_a([&](const Store& state) {
    after.push_back(study.train_b(&state));
    after.push_back(study.train_b(nullptr));
  }),
                           unload, study.stream().stream("lora")));
  const Tensor expected = log_p_of(identity, fresh->function());
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    const char* series = i == 0 ? "moments kept" : "moments dropped";
    const PhiUnit& b = *after[i];
    const rbl::Distance moved = rbl::distance(fresh->store(), b.store());
    add(series, "distance", moved.l2 / moved.norm);
    add(series, "words-changed", static_cast<double>(moved.words_changed));
    add(series, "kl", rbl::kl_divergence(expected, log_p_of(identity, b.function())).mean);
    add(series, "score", score(b.function(), study.task().held_out));
  }
  add("fresh", "score", score(fresh->function(), study.task().held_out));

  const rbl::Observation left = rbl::observe(*identity.network, *identity.theta, identity.probes);
  const rbl::Ils leak = rbl::ils(rbl::kl_divergence(identity.seen.log_p, left.log_p), 0);
  add("identity", "ils-max", leak.max);
  add("identity", "fingerprint-equal", left.fingerprint == identity.seen.fingerprint ? 1 : 0);

  add("optimizer over frozen theta", "refused", study.refused() ? 1 : 0);
  Rollbacks none;
  none.push_back(rbl::no_rollback());
  outcome.add(trial_on_theta(identity, {"E7", "weight-decay"}, study.decay(), none));
  return outcome;
}

// A behavior that starts from nothing is the same whatever was before.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& p : points) {
    if (p.study == "E7" && p.series == "moments dropped" && p.quantity == "words-changed" &&
        p.value != 0) {
      return "E7 moments dropped seed " + std::to_string(p.seed) +
             ": a fresh behavior differs after another one";
    }
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally kept("with kept moments B differs, while theta's fingerprint is equal and its ILS 0",
             "runs");
  Tally dropped("with dropped moments B differs in no word", "runs");
  for (const CurvePoint* curve :
       curves_like(evidence.curves, "E7", "moments kept", "words-changed")) {
    const CurvePoint* equal = beside(evidence.curves, *curve, "identity", "fingerprint-equal");
    const CurvePoint* leak = beside(evidence.curves, *curve, "identity", "ils-max");
    for (const Point* p : curve->points) {
      const double same = value_on(equal, p->seed), ils = value_on(leak, p->seed);
      kept.add(p->value > 0 && same == 1 && ils == 0, run_name(*p),
               fmt::format("{:g} words, fingerprint equal {:g}, ILS {:g}", p->value, same, ils));
    }
  }
  add_equal(dropped, curves_like(evidence.curves, "E7", "moments dropped", "words-changed"), 0);
  return {kept.judgement(), dropped.judgement()};
}

}  // namespace

extern const Study kOptimizerState = {
    "E7",
    "optimizer-state",
    "none: state outside of theta and phi",
    "does anything of a behavior outlive its unload in what trained it, unseen by the identity's "
    "scores",
    "leaks if a behavior trained with kept moments differs in some word on every seed while "
    "theta's fingerprint is equal and its ILS 0; dropped moments must differ in none",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
