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

#include "experiments/studies/recast.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "experiments/subjects/labelled_task.h"
#include "rbl/merge.h"

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

// The same images, labels moved by number + 1: as many tasks as there are siblings, up to classes.
Task task_of(const Identity& identity, std::size_t number) {
  const std::size_t by = number % (identity.classes - 1) + 1;
  const Labelled& train = identity.original.train;
  return labelled_task(fmt::format("{}-moved-{}", identity.original.name, by),
                       with_labels_moved(train.rows(0, train.size() / 2), by, identity.classes),
                       with_labels_moved(identity.original.held_out, by, identity.classes));
}

rbl::LowRankDelta trained_delta(const Identity& identity, std::size_t number, double rank) {
  const rbl::BehaviorConfig config{.kind = "lora", .settings = {{"rank", rank}, {"alpha", rank}}};
  const Rng stream = identity.rng.stream("e15").stream(number);
  Ledger ledger(identity.level);
  const Store& phi = ledger.open("phi", Role::kBehavior);
  const auto lora = rbl::make_behavior(phi, *identity.network, config);
  ledger.commit(lora->init(stream.stream("lora")));
  const rbl::Attached function = rbl::attach(*identity.network, lora);
  adapt(ledger, phi, function, identity, task_of(identity, number), Mechanism::kAdam, stream);
  return rbl::low_rank_of(phi, 1);
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Settings& settings = cell.settings();
  Outcome outcome;
  for (const double rank : settings.numbers("ranks")) {
    const auto most = static_cast<std::size_t>(std::ranges::max(settings.numbers("siblings")));
    std::vector<std::unique_ptr<Fork>> others;
    const rbl::LowRankDelta own = trained_delta(identity, 0, rank);
    for (std::size_t i = 1; i < most; ++i) {
      others.push_back(std::make_unique<Fork>(identity));
      Fork& fork = *others.back();
      fork.ledger().commit(rbl::add_low_rank(fork.theta(), trained_delta(identity, i, rank), {}));
    }
    Rollbacks rollbacks;
    for (const double n : settings.numbers("siblings")) {
      std::vector<const Store*> siblings;
      for (std::size_t i = 1; i < static_cast<std::size_t>(n); ++i) {
        siblings.push_back(&others[i - 1]->theta());
      }
      rollbacks.push_back(rbl::recover_from_siblings(
          siblings,
          {.rank = static_cast<std::size_t>(rank), .iterations = settings.count("iterations")}));
    }
    std::vector<Row> rows = trial_on_theta(
        identity, {"E15", fmt::format("merge-rank-{:g}", rank)},
        commit_once([&own](const Store& theta) { return rbl::add_low_rank(theta, own, {}); }),
        rollbacks);
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
