// From rows to what is published: groups over seeds, digests, results.json and CSV.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/results/point.h"
#include "experiments/results/row.h"
#include "experiments/results/statistics.h"

namespace palinode::experiments {

// The version of results.json, results.csv and results.db: 2 since the studies have points, 3 since
// they have verdicts.
inline constexpr int kResultsSchema = 3;

// All seeds of one (study, model, data, locus, mechanism, alpha, rollback, variant).
struct Group {
  std::vector<const Row*> rows;  // in the order of their seeds
  Summary kl_adapt, js_adapt, kl_rec, js_rec, words_changed_share, task_metric_adapt,
      task_metric_rec, identity_metric_rec, bytes_kept, flops;
  std::optional<Summary> rf, rf_geometry;  // none unless every seed has a value
  rbl::Recoverability::State rf_state = rbl::Recoverability::State::kValue;
  std::size_t bits_equal = 0;    // seeds on which every word and every output bit came back
  std::size_t score_missed = 0;  // seeds whose adaptation ran out of steps
  std::string verdict;           // one or two words, see verdict_of

  const Row& first() const { return *rows.front(); }
};

// Groups in the order in which their first rows stand.
std::vector<Group> group_rows(std::span<const Row> rows);

// "exact", "function, not bits", "partial", "nothing", "worse", "undefined", by the group's
// figures.
std::string verdict_of(const Group& group);

// SHA-256 over the digests of a study's rows, and its points, in order.
std::string study_digest(std::span<const Row> rows, std::span<const Point> points);

nlohmann::ordered_json group_json(const Group& group);
// The text of results.json: of each list one record a line.
std::string results_text(const nlohmann::ordered_json& results);
// A list has no column: the resampled figures are for the bootstrap, not for a reader.
std::string rows_csv(std::span<const Row> rows);
std::string points_csv(std::span<const Point> points);

}  // namespace palinode::experiments
