// E9: scale. The same task and rollbacks for identities of growing size: does what comes back grow
// or shrink with the number of parameters?
//
// Paper: figure and table "recoverability by scale", 30, 40, 10 % for three sizes: exact matches of
// ten greedy texts of 50 tokens, one seed. So beside RF stands the share of outputs equal to f0's:
// of a classifier the most likely class of each probe ("equal-answers"), of a language model whole
// greedy continuations of the probes' first tokens ("equal-texts"). The slope of RF is that of the
// classifiers, which are one family; the language models are two and have rows and texts only.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/texts.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp2-32", "digits-mlp2-72", "digits-mlp2-160", "digits-mlp2-350", "tied-gpt"},
    {"digits-mlp2-32", "digits-mlp2-72", "digits-mlp2-160", "digits-mlp2-350", "digits-mlp2-750",
     "digits-mlp2-1600", "tied-gpt", "austen-gpt"},
    {{"seeds", "seeds of the four smallest", 5.0, 10.0},
     {"steps_per_weight", "of the second R6, whose budget grows with the model", 0.005, 0.005},
     {"most_steps", "of that R6", 800.0, 800.0},
     {"prompt", "tokens of each probe that a text begins with", 16.0, 16.0},
     {"text", "tokens a text goes on for", 50.0, 50.0}});

// A step for so many weights, within bounds.
std::uint64_t proportional(const Identity& identity, const Settings& settings) {
  const double steps =
      settings.number("steps_per_weight") * static_cast<double>(identity.theta->elements());
  return static_cast<std::uint64_t>(std::clamp(steps, 20.0, settings.number("most_steps")));
}

void add_equal(const Cell& cell, const Row& row, const char* what, double share, Outcome& outcome) {
  const std::string series = fmt::format("{}, {}{}{}", row.locus, row.rollback,
                                         row.variant.empty() ? "" : " ", row.variant);
  outcome.points.push_back(
      cell.point(series, "parameters", static_cast<double>(row.words), what, share, row.data));
}

void add_answers(const Cell& cell, Outcome& outcome) {
  for (const Row& row : outcome.rows) {
    add_equal(cell, row, "equal-answers", 1 - row.top1_changed, outcome);
  }
}

Outcome classifier(const Cell& cell) {
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
  add_answers(cell, outcome);
  return outcome;
}

Outcome language_model(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Tensor& probes = identity.probes;
  const TextConfig config{.context = probes.shape()[1] + identity.room,
                          .prompt = cell.settings().count("prompt"),
                          .length = cell.settings().count("text")};
  const Texts before = greedy_texts(*identity.network, probes, config);
  std::vector<double> shares;  // in the order of the rows
  const auto reading = [&](std::unique_ptr<rbl::Rollback> arm) {
    return read_after(std::move(arm), [&](const nn::Model& recovered) {
      shares.push_back(share_equal(before, greedy_texts(recovered, probes, config)));
    });
  };
  const Label label{"E9", "adam"};
  const Change change =
      learn(identity, identity.shifted(), Mechanism::kAdam, identity.rng.stream("adapt"));
  Outcome outcome;
  Rollbacks on_theta;
  on_theta.push_back(reading(rbl::no_rollback()));
  on_theta.push_back(reading(fine_tune_back(identity)));
  outcome.add(trial_on_theta(identity, label, change, on_theta));
  Rollbacks on_phi;
  on_phi.push_back(reading(rbl::no_rollback()));
  on_phi.push_back(reading(rbl::unload()));
  outcome.add(trial_on_phi(identity, label, change, on_phi, identity.rng.stream("lora")));
  for (std::size_t i = 0; i < outcome.rows.size(); ++i) {
    add_equal(cell, outcome.rows[i], "equal-texts", shares.at(i), outcome);
  }
  return outcome;
}

Outcome run(const Cell& cell) {
  return cell.identity().probes.dtype() == Dtype::kI32 ? language_model(cell) : classifier(cell);
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
    "the slope of the classifiers' RF on log10 of their parameters, one for each seed that has all "
    "sizes, R6 with a fixed budget: supported if its 95 % interval lies below 0, refuted if above, "
    "else open",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
