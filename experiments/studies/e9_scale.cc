// E9: scale. The same task and rollbacks for identities of growing size: does what comes back grow
// or shrink with the number of parameters?
//
// Paper: figure and table "recoverability by scale", 30, 40, 10 % for three sizes (exact matches of
// ten texts, one seed).
#include <fmt/format.h>

#include <algorithm>

#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp2-32", "digits-mlp2-72", "digits-mlp2-160", "digits-mlp2-350"},
    {"digits-mlp2-32", "digits-mlp2-72", "digits-mlp2-160", "digits-mlp2-350", "digits-mlp2-750",
     "digits-mlp2-1600"},
    {{"seeds", "seeds of the four smallest", 5.0, 10.0},
     {"steps_per_weight", "of the second R6, whose budget grows with the model", 0.005, 0.005},
     {"most_steps", "of that R6", 800.0, 800.0}});

// A step for so many weights, within bounds.
std::uint64_t proportional(const Identity& identity, const Settings& settings) {
  const double steps =
      settings.number("steps_per_weight") * static_cast<double>(identity.theta->elements());
  return static_cast<std::uint64_t>(std::clamp(steps, 20.0, settings.number("most_steps")));
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  Outcome outcome;
  const Label label{"E9", "adam"};
  const Change change =
      learn(identity, identity.shifted(), Mechanism::kAdam, identity.rng.stream("adapt"));
  Rollbacks on_theta;
  on_theta.push_back(rbl::no_rollback());
  on_theta.push_back(fine_tune_back(identity));
  std::vector<Row> rows = trial_on_theta(identity, label, change, on_theta);
  const double size = static_cast<double>(identity.theta->elements());
  const auto keep = [&](const Row& row, const char* series) {
    if (row.rf.state != rbl::Recoverability::State::kValue) return;
    outcome.points.push_back(
        cell.point(series, "parameters", size, "rf", row.rf.value, identity.data));
    outcome.points.push_back(
        cell.point(series, "parameters", size, "kl_adapt", row.kl_adapt, identity.data));
  };
  keep(rows[1], "theta, R6 fixed budget");
  outcome.add(std::move(rows));

  Rollbacks longer;
  longer.push_back(fine_tune_back(identity, proportional(identity, cell.settings())));
  rows = trial_on_theta(identity, label, change, longer);
  rows.front().variant = "proportional";
  keep(rows.front(), "theta, R6 budget by size");
  outcome.add(std::move(rows));

  Rollbacks on_phi;
  on_phi.push_back(rbl::unload());
  rows = trial_on_phi(identity, label, change, on_phi, identity.rng.stream("lora"));
  keep(rows.front(), "phi, R17");
  outcome.add(std::move(rows));
  return outcome;
}

std::vector<Judgement> judge(const Evidence& evidence) {
  const char* statement = "RF of R6 with a fixed budget falls as models grow";
  const CurveList sizes = curves_like(evidence.curves, "E9", "theta, R6 fixed budget", "rf");
  if (sizes.size() < 3) return {open_for(statement, "needs three sizes")};
  const std::vector<double> slopes = slopes_by_seed(sizes);
  if (slopes.empty()) return {open_for(statement, "no seed has every size")};
  const Summary found = summarize(slopes, "slope on scale");
  Tally falls(statement, "slopes");
  falls.add(below(found, 0), fmt::format("{} sizes, {} seeds", sizes.size(), slopes.size()),
            "mean slope " + interval_of(found));
  return {falls.judgement()};
}

}  // namespace

extern const Study kScale = {
    "E9",
    "scale",
    "recoverability by scale (figure and table)",
    "does recoverability fall as models grow",
    "the slope of RF on log10 of the parameters, one for each seed that has all sizes, R6 with a "
    "fixed budget: supported if its 95 % interval lies below 0, refuted if above, else open",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
