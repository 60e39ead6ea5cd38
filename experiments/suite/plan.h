// Plan: the cells of a run, what they are expected to cost, and who runs which.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/studies/study.h"

namespace palinode::experiments {

struct StudyPlan {
  const Study* study;
  Settings settings;
};

struct PlannedCell {
  std::size_t study;  // place among the study plans
  std::string model;
  std::uint64_t seed;
  std::string key;                // "E4/digits-mlp/1": unique in a run
  std::optional<double> seconds;  // on the reference machine, one core, once the identity is there
};

// Study by study, model by model, seed by seed from `first_seed` on. `seeds`, if not 0, replaces
// every study's counts.
std::vector<PlannedCell> plan_cells(std::span<const StudyPlan> studies, Size size,
                                    std::uint64_t first_seed, std::uint64_t seeds);

// The places of this peer's share, heaviest first: cells of one model and seed go to one peer,
// which trains their identity once, and bundles are dealt out by their weight. Depends on its
// arguments alone, so the peers agree without a word.
std::vector<std::size_t> share_of(std::span<const PlannedCell> cells, std::size_t rank,
                                  std::size_t peers);

// What the program knows of the cost of a run of this size (experiments/costs.json).
struct Costs {
  std::optional<double> cell(const std::string& study, const std::string& model) const;
  std::optional<double> memory;  // bytes, the most a process held
  std::string text;              // the JSON behind it
};
Costs known_costs(Size size);

// A table of what would run, with times and memory; for --dry-run.
std::string plan_text(std::span<const StudyPlan> studies, std::span<const PlannedCell> cells,
                      Size size, std::size_t workers);

}  // namespace palinode::experiments
