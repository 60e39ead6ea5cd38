// E14: what a rollback buys with what it keeps. Every arm on one adaptation by Adam, the lost bits'
// replay on the same task, and the unload of a behavior, each with its bytes, passes and
// operations; and which of them nobody beats.
//
// Paper: its comparison gives the behavior its theta, a snapshot, and the weights nothing.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "experiments/studies/arms.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "optim/reversible_adam.h"

namespace palinode::experiments {
namespace {

Words all_arms() {
  Words names;
  for (const ArmForm& form : arm_forms()) names.emplace_back(form.name);
  return names;
}

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"arms", "on theta", all_arms(), all_arms()},
                   {"budgets", "bytes that may be kept, in snapshots of theta",
                    Numbers{0, 0.001, 0.01, 0.1, 0.25, 0.5, 1, 10, 100},
                    Numbers{0, 0.001, 0.01, 0.03, 0.1, 0.25, 0.5, 1, 3, 10, 30, 100}}});

// Learns as Adam does, by the optimizer that can be played backwards.
Change learn_reversibly(const Identity& identity, const rbl::Loss& loss,
                        const optim::ReversibleAdamConfig& config) {
  return [&identity, loss, config](Ledger& ledger, const Store& target, const nn::Model& function,
                                   const Hooks& hooks) {
    const Goal goal = goal_of(identity, Mechanism::kAdam);
    const Store& state = ledger.open("optimizer." + target.name(), Role::kOptimizer);
    const optim::ReversibleAdam optimizer(state, target, config);
    ledger.commit(optimizer.begin());
    Adapted adapted;
    for (; adapted.steps < goal.most_steps; ++adapted.steps) {
      if (adapted.steps % goal.check_every == 0 &&
          score(function, identity.shifted().train) >= *goal.score) {
        adapted.reached = true;
        break;
      }
      ledger.commit(optimizer.propose(rbl::pass(function, loss, adapted.steps).gradients));
      if (hooks.after_step) hooks.after_step(target);
    }
    if (hooks.after_optimizer) hooks.after_optimizer(state);
    return adapted;
  };
}

std::vector<Row> rows_of(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Task& task = identity.shifted();
  const double lr = identity.recipes.at(Mechanism::kAdam).lr_theta;
  const Rng stream = identity.rng.stream("adapt");
  const Change change = learn(identity, task, Mechanism::kAdam, stream);
  const Arms arms =
      make_arms(cell.settings().words("arms"), {identity, task, Mechanism::kAdam, stream, lr});
  std::vector<Row> rows = trial_on_theta(identity, {"E14", "adam"}, change, arms.before, arms.late);

  const rbl::Loss loss = course_of(identity, task, Mechanism::kAdam, lr, stream).loss;
  const optim::ReversibleAdamConfig config{.lr = lr};
  Rollbacks exactly;
  exactly.push_back(rbl::reverse_exactly(loss, config));
  std::vector<Row> reversible = trial_on_theta(identity, {"E14", "reversible-adam"},
                                               learn_reversibly(identity, loss, config), exactly);
  rows.insert(rows.end(), reversible.begin(), reversible.end());

  Rollbacks on_phi;
  on_phi.push_back(rbl::unload());
  std::vector<Row> unloaded =
      trial_on_phi(identity, {"E14", "adam"}, change, on_phi, identity.rng.stream("lora"));
  rows.insert(rows.end(), unloaded.begin(), unloaded.end());
  return rows;
}

// What RF leaves: a share that keeps its digits where RF rounds to 1.
double left(const Row& row) {
  return row.kl_adapt > 0 ? row.kl_rec / row.kl_adapt : std::numeric_limits<double>::infinity();
}

bool beats(const Row& a, const Row& b) {
  const bool no_worse = left(a) <= left(b) && a.bytes_kept <= b.bytes_kept && a.flops <= b.flops;
  const bool better = left(a) < left(b) || a.bytes_kept < b.bytes_kept || a.flops < b.flops;
  return no_worse && better;
}

std::string name_of(const Row& row) {
  return row.variant.empty() ? row.rollback : fmt::format("{} {}", row.rollback, row.variant);
}

// The best RF among the rows that keep no more than the budget; NaN if there is none.
template <class F>
double best(const std::vector<Row>& rows, double budget, const F& counts) {
  double least = std::numeric_limits<double>::infinity();
  for (const Row& row : rows) {
    const double share =
        static_cast<double>(row.bytes_kept) / static_cast<double>(row.bytes_snapshot);
    if (counts(row) && share <= budget) least = std::min(least, left(row));
  }
  return std::isfinite(least) ? 1 - least : std::numeric_limits<double>::quiet_NaN();
}

Outcome run(const Cell& cell) {
  Outcome outcome;
  const std::vector<Row> rows = rows_of(cell);
  const std::string& data = cell.identity().data;
  std::vector<const Row*> on_theta;
  for (const Row& row : rows) {
    if (row.locus == "theta") on_theta.push_back(&row);
  }
  for (const Row* row : on_theta) {
    const bool beaten =
        std::ranges::any_of(on_theta, [row](const Row* other) { return beats(*other, *row); });
    const auto add = [&](const char* quantity, double value) {
      outcome.points.push_back(cell.point(name_of(*row), "", 0, quantity, value, data));
    };
    add("on-front", beaten ? 0 : 1);
    add("bytes-share",
        static_cast<double>(row->bytes_kept) / static_cast<double>(row->bytes_snapshot));
    add("flops", row->flops);
    add("left", left(*row));
  }
  for (const double budget : cell.settings().numbers("budgets")) {
    const auto add = [&](const char* series, double value) {
      outcome.points.push_back(cell.point(series, "bytes-share", budget, "rf", value, data));
    };
    add("theta", best(rows, budget, [](const Row& row) { return row.locus == "theta"; }));
    add("theta without retraining", best(rows, budget, [](const Row& row) {
          return row.locus == "theta" && row.rollback != "R18";
        }));
    add("phi", best(rows, budget, [](const Row& row) { return row.locus == "phi"; }));
  }
  outcome.rows = rows;
  return outcome;
}

// For each seed: an arm on the front that leaves some and not all.
std::vector<Judgement> judge(const Evidence& evidence) {
  constexpr double kLeast = 0.001, kMost = 0.9;
  std::map<std::pair<std::string, std::uint64_t>, std::string> between;
  for (const CurvePoint* curve : curves_like(evidence.curves, "E14", "", "on-front")) {
    const std::string& series = curve->first().series;
    const CurvePoint* rest = beside(evidence.curves, *curve, series, "left");
    for (const Point* p : curve->points) {
      std::string& found = between[{p->model, p->seed}];
      const double share = value_on(rest, p->seed);
      if (found.empty() && p->value == 1 && share > kLeast && share < kMost) {
        found = fmt::format("{} leaves {:.3g}", series, share);
      }
    }
  }
  Tally binary("what comes back is all or nothing", "runs", Over::kEither);
  for (const auto& [run, arm] : between) {
    binary.add(arm.empty(), fmt::format("{}, seed {}", run.first, run.second),
               arm.empty() ? "no arm on the front in between" : arm);
  }
  return {binary.judgement()};
}

}  // namespace

extern const Study kBudget = {
    "E14",
    "budget",
    "RF by mechanism, with what each keeps",
    "how much of the identity comes back for how many bytes and operations",
    "an arm is on the front of a seed if no other leaves no more with no more bytes and operations "
    "and less of one; all or nothing is refuted if on every seed an arm on the front leaves "
    "between 0.1 % and 90 % of D_adapt, supported if on none, else open",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
