#include "experiments/results/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rbl/metrics.h"
#include "tensor/error.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments {
namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;

using Groups = std::span<const Group>;

struct Query {
  std::string_view study = {}, locus = {}, mechanism = {}, rollback = {};

  bool matches(const Row& row) const {
    const auto is = [](std::string_view want, const std::string& have) {
      return want.empty() || want == have;
    };
    return is(study, row.study) && is(locus, row.locus) && is(mechanism, row.mechanism) &&
           is(rollback, row.rollback);
  }
};

std::vector<const Group*> select(Groups groups, const Query& query) {
  std::vector<const Group*> found;
  for (const Group& group : groups) {
    if (query.matches(group.first())) found.push_back(&group);
  }
  return found;
}

void set_figure(Claim& claim, const Summary& summary, std::string what, std::string study) {
  claim.figure = summary.mean;
  claim.lo = summary.lo;
  claim.hi = summary.hi;
  claim.figure_is = std::move(what);
  claim.study = std::move(study);
}

// All groups exact on all seeds: supported; else refuted.
void judge_exact(Claim& claim, const std::vector<const Group*>& groups) {
  if (groups.empty()) return;
  std::size_t rows = 0, exact = 0;
  for (const Group* group : groups) {
    rows += group->rows.size();
    exact += group->kl_rec.hi == 0 && group->js_rec.hi == 0 ? group->bits_equal : 0;
  }
  claim.figure = static_cast<double>(exact) / static_cast<double>(rows);
  claim.figure_is = fmt::format("share of {} runs with every bit back", rows);
  claim.study = groups.front()->first().study;
  claim.verdict = exact == rows ? Verdict::kSupported : Verdict::kRefuted;
}

// The group with the highest lower end of its RF interval, among those that keep less than a
// snapshot of theta.
const Group* best_without_snapshot(Groups groups) {
  const Group* best = nullptr;
  for (const Group* group : select(groups, {.locus = "theta"})) {
    const Row& row = group->first();
    if (row.rollback == "R0" || row.bytes_kept >= row.bytes_snapshot || !group->rf) continue;
    if (best == nullptr || group->rf->lo > best->rf->lo) best = group;
  }
  return best;
}

std::string describe(const Group& group) {
  const Row& row = group.first();
  return fmt::format("RF of {} after {}{}", row.rollback, row.mechanism,
                     row.alpha ? fmt::format(" {:g}", *row.alpha) : "");
}

Claim exact_unload(Groups groups) {
  Claim claim{"C1", "unloading a behavior restores the model exactly",
              "supported if on every seed of E1 all words and all output bits are those of before "
              "and KL = JS = 0 exactly, refuted if not"};
  judge_exact(claim, select(groups, {.study = "E1", .rollback = "R17"}));
  return claim;
}

Claim never_recovers(Groups groups) {
  Claim claim{"C2", "after weight mutation RF is 0, whatever the rollback",
              "refuted by a rollback that keeps less than a snapshot and whose RF interval lies "
              "above 0"};
  claim.needs_all_studies = true;
  if (const Group* best = best_without_snapshot(groups)) {
    set_figure(claim, *best->rf, describe(*best), best->first().study);
    if (best->rf->lo > 0) claim.verdict = Verdict::kRefuted;
  }
  return claim;
}

Claim monotone(Groups groups) {
  Claim claim{
      "C3", "divergence grows with mutation intensity",
      "supported if KL and JS rise from each alpha to the next on every seed of E3 (theta), "
      "refuted if on none, open otherwise"};
  const auto noise = select(groups, {.study = "E3", .locus = "theta", .rollback = "R0"});
  if (noise.size() < 2) return claim;
  const std::size_t seeds = noise.front()->rows.size();
  std::size_t rising = 0;
  for (std::size_t s = 0; s < seeds; ++s) {
    rising += static_cast<std::size_t>(
        std::ranges::adjacent_find(noise, [s](const Group* a, const Group* b) {
          return a->rows[s]->kl_adapt >= b->rows[s]->kl_adapt ||
                 a->rows[s]->js_adapt >= b->rows[s]->js_adapt;
        }) == noise.end());
  }
  claim.figure = static_cast<double>(rising) / static_cast<double>(seeds);
  claim.figure_is = fmt::format("share of {} seeds on which both rise", seeds);
  claim.study = "E3";
  if (rising == seeds) claim.verdict = Verdict::kSupported;
  if (rising == 0) claim.verdict = Verdict::kRefuted;
  return claim;
}

Claim js_saturates(Groups groups) {
  Claim claim{"C4", "JS tends to ln 2 as intensity grows",
              "supported if at the largest alpha the JS interval lies above 0.9 ln 2; otherwise "
              "open, since the range of alpha is finite"};
  const auto noise = select(groups, {.study = "E3", .locus = "theta", .rollback = "R0"});
  if (noise.empty()) return claim;
  const Group& last = *noise.back();
  set_figure(claim, last.js_adapt, fmt::format("JS at alpha {:g}", *last.first().alpha), "E3");
  if (last.js_adapt.lo > 0.9 * kLn2) claim.verdict = Verdict::kSupported;
  return claim;
}

Claim bounded_rf(Groups groups) {
  Claim claim{"C7", "RF lies in [0, 1]", "refuted by one run outside; otherwise open"};
  claim.needs_all_studies = true;
  for (const Group& group : groups) {
    if (!group.rf) continue;
    for (const Row* row : group.rows) {
      if (claim.figure && row->rf.value >= *claim.figure) continue;
      claim.figure = row->rf.value;
      claim.figure_is = "lowest " + describe(group);
      claim.study = row->study;
    }
  }
  if (claim.figure && *claim.figure < 0) claim.verdict = Verdict::kRefuted;
  return claim;
}

Claim no_inverse(Groups groups) {
  Claim claim{
      "C8", "no deterministic inverse of a mutation exists without a snapshot",
      "refuted, for the function, by a rollback that keeps less than a snapshot and whose RF "
      "interval lies above 0.99"};
  claim.needs_all_studies = true;
  if (const Group* best = best_without_snapshot(groups)) {
    set_figure(claim, *best->rf, describe(*best), best->first().study);
    if (best->rf->lo > 0.99) claim.verdict = Verdict::kRefuted;
  }
  return claim;
}

Claim policy_gradient_like_fine_tuning(Groups groups) {
  Claim claim{"C9", "policy gradient entangles theta as fine-tuning does",
              "ln of KL after policy gradient (REINFORCE with an entropy bonus of 0.2) over KL "
              "after Adam on "
              "labels, paired by seed, at the same score: open if a run missed the score; "
              "supported if its interval lies within ln 1.25 of 0, refuted if outside, else open"};
  claim.needs_all_studies = true;
  const auto policy = select(groups, {.study = "E5", .locus = "theta", .rollback = "R0"});
  const auto adam =
      select(groups, {.study = "E4", .locus = "theta", .mechanism = "adam", .rollback = "R0"});
  if (policy.empty() || adam.empty()) return claim;
  std::vector<double> ratios;
  for (std::size_t s = 0; s < policy.front()->rows.size(); ++s) {
    ratios.push_back(policy.front()->rows[s]->kl_adapt / adam.front()->rows[s]->kl_adapt);
  }
  kernels::log(std::span<const double>(ratios), std::span<double>(ratios));
  const Summary summary = summarize(ratios, "policy over adam");
  set_figure(claim, summary, "mean ln ratio of KL", "E5");
  const auto missed = [](const Row* row) { return !row->score_reached; };
  if (std::ranges::any_of(policy.front()->rows, missed) ||
      std::ranges::any_of(adam.front()->rows, missed)) {
    return claim;
  }
  constexpr double kWithin = 0x1.c8ff7c79a9a22p-3;  // ln 1.25
  if (summary.lo > -kWithin && summary.hi < kWithin) claim.verdict = Verdict::kSupported;
  if (summary.lo > kWithin || summary.hi < -kWithin) claim.verdict = Verdict::kRefuted;
  return claim;
}

Claim any_optimizer(Groups groups) {
  Claim claim{
      "C11", "reversibility does not depend on the optimizer",
      "supported, for phi, if after SGD, momentum, Adam and policy gradient every unload of "
      "E4 and E5 is exact; refuted if not"};
  claim.needs_all_studies = true;
  auto unloads = select(groups, {.study = "E4", .locus = "phi", .rollback = "R17"});
  const auto policy = select(groups, {.study = "E5", .locus = "phi", .rollback = "R17"});
  if (unloads.size() < 3 || policy.empty()) return claim;
  unloads.insert(unloads.end(), policy.begin(), policy.end());
  judge_exact(claim, unloads);
  return claim;
}

Claim not_measured(const char* id, const char* text, const char* study) {
  return {id, text, fmt::format("needs {}, which this version does not run", study)};
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kOpen:
      return "open";
  }
  PALINODE_ASSERT(false);
}

std::vector<Claim> judge_claims(std::span<const Group> groups,
                                std::span<const CurvePoint> /*curves*/) {
  return {exact_unload(groups),
          never_recovers(groups),
          monotone(groups),
          js_saturates(groups),
          not_measured("C5", "eliminating 60 % of a behavior is a sharp threshold", "E2"),
          not_measured("C6", "recoverability worsens with scale", "E9"),
          bounded_rf(groups),
          no_inverse(groups),
          policy_gradient_like_fine_tuning(groups),
          not_measured("C10", "phi is less sensitive to perturbation (SVAR) than theta", "E11"),
          any_optimizer(groups)};
}

nlohmann::ordered_json claim_json(const Claim& claim) {
  using nlohmann::ordered_json;
  const auto optional = [](const std::optional<double>& x) {
    return x ? ordered_json(*x) : ordered_json();
  };
  ordered_json j;
  j["id"] = claim.id;
  j["claim"] = claim.claim;
  j["verdict"] = verdict_name(claim.verdict);
  j["figure"] = optional(claim.figure);
  j["figure_is"] = claim.figure_is;
  j["lo"] = optional(claim.lo);
  j["hi"] = optional(claim.hi);
  j["study"] = claim.study.empty() ? ordered_json() : ordered_json(claim.study);
  j["command"] = claim.study.empty()       ? ""
                 : claim.needs_all_studies ? "palinode reproduce --quick"
                                           : fmt::format("palinode study run {}", claim.study);
  j["rule"] = claim.rule;
  return j;
}

}  // namespace palinode::experiments
