#include "experiments/results/claims_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "experiments/results/judgement.h"

namespace palinode::experiments::claims {

std::vector<const Group*> select(Groups groups, const Query& query) {
  std::vector<const Group*> found;
  for (const Group& group : groups) {
    if (query.matches(group.first())) found.push_back(&group);
  }
  return found;
}

std::vector<const CurvePoint*> select(Curves curves, std::string_view study,
                                      std::string_view series, std::string_view quantity) {
  std::vector<const CurvePoint*> found;
  for (const CurvePoint& curve : curves) {
    const Point& p = curve.first();
    if (p.study == study && p.series.starts_with(series) && p.quantity == quantity) {
      found.push_back(&curve);
    }
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

std::string describe(const Group& group) {
  const Row& row = group.first();
  return fmt::format("RF of {}{} after {}{} on {}", row.rollback,
                     row.variant.empty() ? "" : " " + row.variant, row.mechanism,
                     row.alpha ? fmt::format(" {:g}", *row.alpha) : "", row.model);
}

namespace {

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

// The group with the highest lower end of its RF interval, among those that need nothing of theta
// itself, nor a journal of its writes; of one study or of all.
const Group* best_without_snapshot(Groups groups, std::string_view study = {}) {
  const Group* best = nullptr;
  for (const Group* group : select(groups, {.study = study, .locus = "theta"})) {
    if (!group->rf || !is_without_snapshot(group->first())) continue;
    if (best == nullptr || group->rf->lo > best->rf->lo) best = group;
  }
  return best;
}

// Violations of the identity, and of the effect of what is attached, over all of E16.
struct LifeCycle {
  double operations = 0, violations = 0;
};

LifeCycle life_cycle(Curves curves) {
  const auto total = [&](std::string_view series, std::string_view quantity) {
    double sum = 0;
    for (const CurvePoint* curve : select(curves, "E16", series, quantity)) {
      for (const Point* point : curve->points) sum = sum + point->value;
    }
    return sum;
  };
  return {.operations = total("all", "operations"),
          .violations = total("identity", "violations") + total("effect", "violations")};
}

}  // namespace

Claim exact_unload(Groups groups, Curves curves) {
  Claim claim{
      "C1", "unloading a behavior restores the model exactly",
      "supported if on every seed of E1 all words and all output bits are those of before "
      "and KL = JS = 0 exactly, and no operation of E16, where it was run, left another bit "
      "in theta or in what it computes, or outputs that are not those of the units reported "
      "as active; refuted if not"};
  claim.needs_all_studies = true;
  judge_exact(claim, select(groups, {.study = "E1", .rollback = "R17"}));
  const LifeCycle lives = life_cycle(curves);
  if (lives.operations == 0) return claim;
  const std::string counted =
      fmt::format("{:g} violations in {:g} operations of E16", lives.violations, lives.operations);
  if (claim.study.empty() && lives.violations > 0) {
    claim.figure = lives.violations;
    claim.figure_is = counted;
    claim.study = "E16";
  } else if (!claim.study.empty()) {
    claim.figure_is += "; " + counted;
  }
  if (lives.violations > 0) claim.verdict = Verdict::kRefuted;
  return claim;
}

Claim never_recovers(Groups groups) {
  Claim claim{
      "C2", "after weight mutation RF is 0, whatever the rollback",
      "refuted by a rollback without theta or a journal of its writes, whose RF interval lies "
      "above 0"};
  claim.needs_all_studies = true;
  if (const Group* best = best_without_snapshot(groups)) {
    set_figure(claim, *best->rf, describe(*best), best->first().study);
    if (best->rf->lo > 0) claim.verdict = Verdict::kRefuted;
  }
  return claim;
}

namespace {

constexpr double kRecovered = 0.99;

// The replay of E13 without its lost bits, in the type of the weights: the longest whose RF
// interval lies above the bound, or the best if none does. It keeps the optimizer's last state and
// needs the batches: neither theta nor a log.
const CurvePoint* best_replay(Curves curves) {
  const CurvePoint* best = nullptr;
  const auto better = [&best](const CurvePoint& other) {
    if (best == nullptr) return true;
    const bool above = other.summary.lo > kRecovered;
    if (above != (best->summary.lo > kRecovered)) return above;
    return above ? other.first().at > best->first().at : other.summary.lo > best->summary.lo;
  };
  for (const CurvePoint* curve : select(curves, "E13", "", "rf")) {
    if (!curve->first().series.ends_with(" f32") || curve->undefined > 0) continue;
    if (better(*curve)) best = curve;
  }
  return best;
}

std::string describe(const CurvePoint& replay) {
  const Point& p = replay.first();
  return fmt::format("RF of {} replayed {:g} steps", p.series, p.at);
}

// What the exact replays of E13 came to, which is told and decides nothing.
std::string lost_bits(Curves curves) {
  std::size_t runs = 0, exact = 0;
  for (const CurvePoint* curve : select(curves, "E13", "", "exact")) {
    if (!curve->first().series.ends_with("lost-bits")) continue;
    runs += curve->points.size();
    for (const Point* point : curve->points) exact += point->value == 1 ? 1 : 0;
  }
  if (runs == 0) return "";
  return fmt::format("; with a log of the lost bits E13 is exact in {} of {} runs", exact, runs);
}

}  // namespace

Claim no_inverse(Groups groups, Curves curves) {
  Claim claim{"C8", "no deterministic inverse of a mutation exists without a snapshot",
              "refuted, for the function, by a rollback of any study, E3 and E15 among them, "
              "without theta or a journal, or by a replay of E13 without its lost bits, whose RF "
              "interval lies above 0.99; for the bits it is not decided: the replay of E13 that is "
              "exact keeps a log of the adaptation, which is no snapshot but grows with every "
              "step"};
  claim.needs_all_studies = true;
  const Group* best = best_without_snapshot(groups);
  const CurvePoint* replay = best_replay(curves);
  if (best != nullptr) set_figure(claim, *best->rf, describe(*best), best->first().study);
  const bool decided = best != nullptr && best->rf->lo > kRecovered;
  if (replay != nullptr && !decided && (best == nullptr || replay->summary.lo > best->rf->lo)) {
    set_figure(claim, replay->summary, describe(*replay), "E13");
  }
  if (claim.study.empty()) return claim;
  if (*claim.lo > kRecovered) claim.verdict = Verdict::kRefuted;
  // The best of each study that the rule names, where it is not the figure itself.
  for (const char* study : {"E3", "E15"}) {
    const Group* own = best_without_snapshot(groups, study);
    if (own == nullptr || own == best) continue;
    claim.figure_is += fmt::format("; {}: {:.6g}, {}", study, own->rf->mean, describe(*own));
  }
  if (replay != nullptr && claim.study != "E13") {
    claim.figure_is += fmt::format("; E13: {:.6g}, {}", replay->summary.mean, describe(*replay));
  }
  claim.figure_is += lost_bits(curves);
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

}  // namespace palinode::experiments::claims
