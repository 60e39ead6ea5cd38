// From rows to what is published: groups over seeds, digests, results.json and CSV.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/statistics.h"
#include "experiments/study.h"

namespace palinode::experiments {

// All seeds of one (study, locus, mechanism, alpha, rollback).
struct Group {
  std::vector<const Row*> rows;  // in the order of their seeds
  Summary kl_adapt, js_adapt, kl_rec, js_rec, words_changed_share, task_metric_adapt,
      task_metric_rec;
  std::optional<Summary> rf;  // none unless every seed has a value
  rbl::Recoverability::State rf_state = rbl::Recoverability::State::kValue;
  std::size_t bits_equal = 0;  // seeds on which every word and every output bit came back
  std::string verdict;         // one or two words, see verdict_of

  const Row& first() const { return *rows.front(); }
};

// Groups in the order in which their first rows stand.
std::vector<Group> group_rows(std::span<const Row> rows);

// "exact", "function, not bits", "partial", "nothing", "worse", "undefined", by the group's
// figures.
std::string verdict_of(const Group& group);

// SHA-256 over a row's fields except `backend` and `seconds`, and over a study's rows in order.
std::string row_digest(const Row& row);
std::string study_digest(std::span<const Row> rows);

nlohmann::ordered_json row_json(const Row& row);
nlohmann::ordered_json group_json(const Group& group);
std::string rows_csv(std::span<const Row> rows);

}  // namespace palinode::experiments
