// E15: theta from its siblings. Behaviors of rank r are trained over one identity, each for a task
// of its own, and merged, each into a copy of it. From n of the merged models, and no theta, R15
// finds what they have in common.
//
// Paper: the lemma that without a snapshot theta is gone. Method: Spectral DeTuning
// (arXiv:2402.10208).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "experiments/studies/changes.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

// The models are small: a decomposition of every matrix of every sibling in every iteration.
const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp2-32"}, {"digits-mlp2-32"},
                  {{"siblings", "how many merged models there are", Numbers{1, 2, 3, 4},
                    Numbers{1, 2, 3, 5, 7, 10}},
                   {"ranks", "of their deltas", Numbers{2}, Numbers{1, 2, 4, 8}},
                   {"iterations", "most of R15", 20.0, 60.0},
                   {"seeds", "seeds of each model", 10.0, 10.0}});

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Settings& settings = cell.settings();
  Outcome outcome;
  for (const double rank : settings.numbers("ranks")) {
    const auto most = static_cast<std::size_t>(std::ranges::max(settings.numbers("siblings")));
    const Rng stream = identity.rng.stream("e15");
    const LearnedDelta own = learn_delta(identity, moved_task(identity, 0), rank, stream.stream(0));
    const auto others = merged_siblings(identity, most - 1, rank, stream);
    Rollbacks rollbacks;
    for (const double n : settings.numbers("siblings")) {
      rollbacks.push_back(rbl::recover_from_siblings(
          stores_of(others, static_cast<std::size_t>(n) - 1),
          {.rank = static_cast<std::size_t>(rank), .iterations = settings.count("iterations")}));
    }
    std::vector<Row> rows =
        trial_on_theta(identity, {"E15", fmt::format("merge-rank-{:g}", rank)},
                       merge({own.delta, {.steps = 0, .reached = true}}), rollbacks);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Row& row = rows[i];
      const double n = settings.numbers("siblings")[i];
      row.variant = fmt::format("{:g}-models", n);
      const auto add = [&](const char* quantity, double value) {
        outcome.points.push_back(cell.point(fmt::format("rank {:g}", rank), "siblings", n, quantity,
                                            value, identity.data));
      };
      add("rf", value_of(row.rf));
      add("rf-geometry", value_of(row.rf_geometry));
      add("distance", row.distance_rec);
      add("words-changed-share",
          static_cast<double>(row.words_changed) / static_cast<double>(row.words));
    }
    outcome.add(std::move(rows));
  }
  return outcome;
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally gone("without a snapshot theta is gone, for the function", "ranks");
  std::vector<std::string> series;
  std::map<std::string, const CurvePoint*> first_found;
  for (const CurvePoint* curve : curves_like(evidence.curves, "E15", "", "rf")) {
    const std::string& rank = curve->first().series;
    const auto [place, added] = first_found.try_emplace(rank, nullptr);
    if (added) series.push_back(rank);
    const bool back = curve->undefined == 0 && curve->summary.lo > 0.99;
    if (back && place->second == nullptr) place->second = curve;
  }
  for (const std::string& rank : series) {
    const CurvePoint* found = first_found.at(rank);
    if (found == nullptr) {
      gone.add(Case::kUndecided, rank, "RF nowhere above 0.99");
      continue;
    }
    const CurvePoint* words = beside(evidence.curves, *found, rank, "words-changed-share");
    gone.add(
        Case::kFails, rank,
        fmt::format("RF {} with {:g} models, {} of the words differ", interval_of(found->summary),
                    found->first().at, words == nullptr ? "?" : interval_of(words->summary)));
  }
  return {gone.judgement()};
}

}  // namespace

extern const Study kSiblings = {
    "E15",
    "siblings",
    "lemma: theta is gone without a snapshot",
    "can theta be found from models that were merged from it",
    "\"gone\" is refuted, for the function, if at some number of siblings RF has a 95 % interval "
    "above 0.99; words that differ are counted",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
