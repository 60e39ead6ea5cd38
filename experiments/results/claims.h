// The claim ledger: each claim of the paper against the data, by rules that are code
// (docs/results.md says when each was written).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/results/groups.h"
#include "experiments/results/judgement.h"

namespace palinode::experiments {

struct Claim {
  std::string id;     // "C1" ... "C11"
  std::string claim;  // the paper's, in our words
  std::string rule;   // how the verdict follows from the data
  Verdict verdict = Verdict::kOpen;
  std::optional<double> figure = {}, lo = {}, hi = {};
  std::string figure_is = {};  // what the figure is
  bool needs_all_studies = false;
  std::string study = {};    // the figure's; empty: no study of this run bears on it
  std::string command = {};  // that gives the figure again (suite.h); empty until the run is known
};

// All eleven, in order. A claim whose studies were not run stays open and says so.
std::vector<Claim> judge_claims(std::span<const Group> groups, std::span<const CurvePoint> curves);

nlohmann::ordered_json claim_json(const Claim& claim);

}  // namespace palinode::experiments
