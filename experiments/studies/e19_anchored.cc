// E19: adaptation under an anchor. A penalty of growing size holds theta near where it was, by its
// distance (L2-SP) or by its distance weighted with the Fisher information (EWC), while it learns
// the shifted task for a fixed number of steps. Then nothing (R13), or fine-tuning back (R6).
//
// Paper: the limitations; regularized adaptation is not measured there.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/studies/changes.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "rbl/anchor.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp"}, {"digits-mlp"},
    {{"l2_sp", "lambdas of L2-SP", Numbers{0.01, 0.1, 1},
      Numbers{1e-3, 1e-2, 0.03, 0.1, 0.3, 1, 10}},
     {"ewc", "lambdas of EWC", Numbers{100, 1e3, 1e4}, Numbers{10, 100, 300, 1e3, 3e3, 1e4, 1e5}},
     {"steps", "of the adaptation", 400.0, 600.0},
     {"examples", "for the Fisher information", 200.0, 1000.0}});

struct Penalty {
  std::string name;
  double lambda = 0;
  std::vector<Tensor> fisher = {};
};

// The diagonal of the empirical Fisher information on original examples, one at a time. Of a copy:
// a frozen theta has no gradients.
std::vector<Tensor> fisher_of(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Fork fork(identity);
  return rbl::fisher_diagonal(fork.theta(), fork.model(),
                              task_loss(identity.original, identity.rng.stream("e19/fisher"), 1),
                              cell.settings().count("examples"));
}

void sweep_one(const Cell& cell, const Penalty& penalty, Outcome& outcome) {
  const Identity& identity = cell.identity();
  const rbl::Anchor anchor(*identity.theta, penalty.lambda, penalty.fisher);
  const Change change =
      learn_held(identity, penalty.lambda > 0 ? &anchor : nullptr, identity.rng.stream("e19/adapt"),
                 {.score = std::nullopt, .most_steps = cell.settings().count("steps")});
  Rollbacks rollbacks;
  rollbacks.push_back(penalty.lambda > 0 ? rbl::anchored(anchor) : rbl::no_rollback());
  rollbacks.push_back(fine_tune_back(identity));
  std::vector<Row> rows =
      trial_on_theta(identity, {"E19", "adam-" + penalty.name, penalty.lambda}, change, rollbacks);
  const auto add = [&](const char* quantity, double value) {
    outcome.points.push_back(
        cell.point(penalty.name, "lambda", penalty.lambda, quantity, value, identity.data));
  };
  add("score", rows[0].task_metric_adapt);
  add("identity-score", rows[0].identity_metric_adapt);
  add("d-adapt", rows[0].kl_adapt);
  add("distance", rows[0].distance_adapt);
  add("rf-r13", value_of(rows[0].rf));
  add("rf-r6", value_of(rows[1].rf));
  add("d-r6", rows[1].kl_rec);
  outcome.add(std::move(rows));
}

Outcome run(const Cell& cell) {
  Outcome outcome;
  sweep_one(cell, {"free"}, outcome);
  for (const double lambda : cell.settings().numbers("l2_sp")) {
    sweep_one(cell, {"l2-sp", lambda}, outcome);
  }
  const std::vector<Tensor> fisher = fisher_of(cell);
  for (const double lambda : cell.settings().numbers("ewc")) {
    sweep_one(cell, {"ewc", lambda, fisher}, outcome);
  }
  return outcome;
}

Judgement judge_anchor(const Evidence& evidence, std::string_view penalty) {
  Tally lowers(fmt::format("{} lowers D_adapt", penalty), "lambdas");
  for (const CurvePoint* curve : curves_like(evidence.curves, "E19", penalty, "d-adapt")) {
    const CurvePoint* free = beside(evidence.curves, *curve, "free", "d-adapt", 0);
    if (free == nullptr) continue;
    const std::vector<double> ratios = paired_log_ratios(*curve, *free);
    if (ratios.empty()) continue;
    const Summary ratio = summarize(ratios, "anchor");
    lowers.add(below(ratio, 0), fmt::format("lambda {:g}", curve->first().at),
               "mean ln ratio " + interval_of(ratio));
  }
  return lowers.judgement();
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally back("R6 after an anchor brings every bit back, on every seed", "anchors", Over::kSome);
  for (const Group* group : groups_like(evidence.groups, "E19", "theta", "", "R6")) {
    const Row& row = group->first();
    if (row.mechanism == "adam-free") continue;
    back.add(group->bits_equal == group->rows.size(),
             fmt::format("{} {:g}", row.mechanism, row.alpha.value_or(0)),
             fmt::format("on {} of {} seeds", group->bits_equal, group->rows.size()));
  }
  return {judge_anchor(evidence, "l2-sp"), judge_anchor(evidence, "ewc"), back.judgement()};
}

}  // namespace

extern const Study kAnchored = {
    "E19",
    "anchored",
    "limitations: regularized adaptation",
    "does holding theta during the adaptation make it recoverable",
    "an anchor lowers D_adapt if the 95 % interval of ln(D_adapt / D_adapt free), paired by seed, "
    "lies below 0 (at every lambda: supported; above at one: refuted); it makes theta recoverable "
    "only if R6 after it brings every bit back on every seed",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
