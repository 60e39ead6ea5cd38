// E14: what a rollback buys with what it keeps. Every arm with its bytes, passes and operations,
// and which of them nobody beats. Arms that can undo any adaptation do it after one by Adam; each
// of the others after the adaptation it belongs to: R9 after SGD, R10 after momentum, R10 and R11
// with the lost bits after the reversible optimizers, R13 after Adam under an anchor, R14 and R15
// after the merging of a LoRA, R12 after seeded noise; R17 is the unload of a behavior.
//
// What is compared. All adaptations but the noise learn the same task to the same score, so whoever
// has to learn it may choose among them; what they move f0 by (D_adapt) differs, and what counts is
// the share of it that is left, D_rec / D_adapt. R13 does nothing afterwards, so it leaves all of a
// smaller D_adapt ("d-adapt"), which a share does not show. Noise learns nothing: R12's figures are
// given, but it is on no front and in no budget, and neither is an adaptation that missed its
// score.
//
// Paper: its comparison gives the behavior its theta, a snapshot, and the weights nothing.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "experiments/studies/arms.h"
#include "experiments/studies/changes.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "experiments/usage_error.h"
#include "optim/reversible_adam.h"

namespace palinode::experiments {
namespace {

Words all_arms() {
  Words names;
  for (const ArmForm& form : arm_forms()) names.emplace_back(form.name);
  return names;
}

Words own_arms();

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"arms", "on theta, after Adam", all_arms(), all_arms()},
                   {"own_arms", "on theta, each after its own adaptation", own_arms(), own_arms()},
                   {"passes", "most of R9 for a step back", 6.0, 50.0},
                   {"alpha", "size of R12's noise", 0.3, 0.3},
                   {"lambda", "of R13's L2-SP", 0.01, 0.01},
                   {"rank", "of the LoRA merged for R14 and R15", 4.0, 4.0},
                   {"siblings", "merged models R15 has, the adapted one among them", 4.0, 4.0},
                   {"iterations", "most of R15", 20.0, 60.0},
                   {"budgets", "bytes that may be kept, in snapshots of theta",
                    Numbers{0, 0.001, 0.01, 0.1, 0.25, 0.5, 1, 10, 100},
                    Numbers{0, 0.001, 0.01, 0.03, 0.1, 0.25, 0.5, 1, 3, 10, 30, 100}}});

constexpr const char* kNoise = "noise";

using Rows = std::vector<Row>;

// The optimizer's adaptation, and the arm that plays it backwards.
Rows replayed(const Cell& cell, Mechanism mechanism,
              const std::function<std::unique_ptr<rbl::Rollback>(const rbl::Replay& replay)>& arm) {
  const Identity& identity = cell.identity();
  const Rng stream = identity.rng.stream("adapt");
  const double lr = identity.recipes.at(mechanism).lr_theta;
  const rbl::Loss loss = course_of(identity, identity.shifted(), mechanism, lr, stream).loss;
  const LateArms late = [&](std::uint64_t steps) {
    Rollbacks arms;
    arms.push_back(arm({.loss = loss, .steps = steps, .lr = lr}));
    return arms;
  };
  return trial_on_theta(identity, {"E14", std::string(mechanism_name(mechanism))},
                        learn(identity, identity.shifted(), mechanism, stream), {}, late);
}

Rows replayed_sgd(const Cell& cell) {
  return replayed(cell, Mechanism::kSgd, [&cell](const rbl::Replay& replay) {
    return rbl::reverse_sgd(replay, cell.settings().count("passes"));
  });
}

Rows replayed_momentum(const Cell& cell) {
  return replayed(cell, Mechanism::kMomentum,
                  [](const rbl::Replay& replay) { return rbl::reverse_momentum(replay); });
}

template <class Config>
Rows replayed_exactly(const Cell& cell, Mechanism mechanism) {
  const Identity& identity = cell.identity();
  const double lr = identity.recipes.at(mechanism).lr_theta;
  const rbl::Loss loss =
      course_of(identity, identity.shifted(), mechanism, lr, identity.rng.stream("adapt")).loss;
  const Config config{.lr = lr};
  Rollbacks exactly;
  exactly.push_back(rbl::reverse_exactly(loss, config));
  return trial_on_theta(identity, {"E14", fmt::format("reversible-{}", mechanism_name(mechanism))},
                        learn_reversibly(identity, loss, config), exactly);
}

Rows after_noise(const Cell& cell) {
  const Identity& identity = cell.identity();
  const double alpha = cell.settings().number("alpha");
  const Rng stream = identity.rng.stream("noise");
  Rollbacks arms;
  arms.push_back(rbl::subtract_seeded_noise(alpha, stream));
  return trial_on_theta(identity, {"E14", kNoise, alpha}, add_noise(alpha, stream), arms);
}

Rows held(const Cell& cell) {
  const Identity& identity = cell.identity();
  const double lambda = cell.settings().number("lambda");
  const rbl::Anchor anchor(*identity.theta, lambda);
  Rollbacks arms;
  arms.push_back(rbl::anchored(anchor));
  return trial_on_theta(identity, {"E14", "adam-l2-sp", lambda},
                        learn_held(identity, &anchor, identity.rng.stream("adapt"),
                                   goal_of(identity, Mechanism::kAdam)),
                        arms);
}

LearnedDelta shifted_delta(const Cell& cell) {
  const Identity& identity = cell.identity();
  return learn_delta(identity, identity.shifted(), cell.settings().number("rank"),
                     identity.rng.stream("e14/delta"));
}

Rows unmerged(const Cell& cell) {
  const LearnedDelta learned = shifted_delta(cell);
  Rollbacks arms;
  arms.push_back(rbl::subtract_merged(learned.delta, {}));
  return trial_on_theta(cell.identity(), {"E14", "merged-lora"}, merge(learned), arms);
}

Rows from_siblings(const Cell& cell) {
  const Identity& identity = cell.identity();
  const std::uint64_t models = cell.settings().count("siblings");
  if (models == 0) throw UsageError("E14: siblings: at least the adapted model itself, got 0");
  const auto others = merged_siblings(identity, models - 1, cell.settings().number("rank"),
                                      identity.rng.stream("e14/siblings"));
  Rollbacks arms;
  arms.push_back(rbl::recover_from_siblings(
      stores_of(others, models - 1),
      {.rank = cell.settings().count("rank"), .iterations = cell.settings().count("iterations")}));
  return trial_on_theta(identity, {"E14", "merged-lora"}, merge(shifted_delta(cell)), arms);
}

struct OwnArm {
  const char* name;
  Rows (*run)(const Cell& cell);
};
constexpr OwnArm kOwnArms[] = {
    {"R9", replayed_sgd},
    {"R10", replayed_momentum},
    {"R10-lost-bits",
     [](const Cell& cell) {
       return replayed_exactly<optim::ReversibleConfig>(cell, Mechanism::kMomentum);
     }},
    {"R11-lost-bits",
     [](const Cell& cell) {
       return replayed_exactly<optim::ReversibleAdamConfig>(cell, Mechanism::kAdam);
     }},
    {"R12", after_noise},
    {"R13", held},
    {"R14", unmerged},
    {"R15", from_siblings}};

Words own_arms() {
  Words names;
  for (const OwnArm& arm : kOwnArms) names.emplace_back(arm.name);
  return names;
}

const OwnArm& own_arm(const std::string& name) {
  std::string known;
  for (const OwnArm& arm : kOwnArms) {
    if (name == arm.name) return arm;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", arm.name);
  }
  throw UsageError(
      fmt::format("E14: no arm \"{}\" of its own adaptation; there are {}", name, known));
}

Rows rows_of(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Task& task = identity.shifted();
  const double lr = identity.recipes.at(Mechanism::kAdam).lr_theta;
  const Rng stream = identity.rng.stream("adapt");
  const Change change = learn(identity, task, Mechanism::kAdam, stream);
  const Arms arms =
      make_arms(cell.settings().words("arms"), {identity, task, Mechanism::kAdam, stream, lr});
  Outcome outcome;
  outcome.add(trial_on_theta(identity, {"E14", "adam"}, change, arms.before, arms.late));
  for (const std::string& name : cell.settings().words("own_arms")) {
    outcome.add(own_arm(name).run(cell));
  }
  Rollbacks on_phi;
  on_phi.push_back(rbl::unload());
  outcome.add(trial_on_phi(identity, {"E14", "adam"}, change, on_phi, identity.rng.stream("lora")));
  return outcome.rows;
}

// Whether its adaptation learned the task to the score that all are compared at.
bool learned(const Row& row) { return row.mechanism != kNoise && row.score_reached; }

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
    if (learned(row) && counts(row) && share <= budget) least = std::min(least, left(row));
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
    const bool beaten = std::ranges::any_of(
        on_theta, [row](const Row* other) { return learned(*other) && beats(*other, *row); });
    const auto add = [&](const char* quantity, double value) {
      outcome.points.push_back(cell.point(name_of(*row), "", 0, quantity, value, data));
    };
    if (learned(*row)) add("on-front", beaten ? 0 : 1);
    add("bytes-share",
        static_cast<double>(row->bytes_kept) / static_cast<double>(row->bytes_snapshot));
    add("flops", row->flops);
    add("left", left(*row));
    add("d-adapt", row->kl_adapt);
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
