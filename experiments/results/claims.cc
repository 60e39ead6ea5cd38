#include "experiments/results/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "experiments/results/claims_parts.h"
#include "rbl/metrics.h"
#include "tensor/kernels/math.h"

namespace palinode::experiments {

using namespace claims;

namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;

// The groups of each model, in the order of their first.
std::vector<std::vector<const Group*>> by_model(const std::vector<const Group*>& groups) {
  std::vector<std::vector<const Group*>> models;
  for (const Group* group : groups) {
    const auto same = [group](const std::vector<const Group*>& other) {
      return other.front()->first().model == group->first().model;
    };
    const auto found = std::ranges::find_if(models, same);
    (found == models.end() ? models.emplace_back() : *found).push_back(group);
  }
  return models;
}

Claim monotone(Groups groups) {
  Claim claim{
      "C3", "divergence grows with mutation intensity",
      "supported if KL and JS rise from each alpha to the next on every model and seed of E3 "
      "(theta), refuted if on none, open otherwise"};
  std::size_t rising = 0, seeds = 0;
  for (const auto& noise : by_model(select(
           groups, {.study = "E3", .locus = "theta", .mechanism = "noise", .rollback = "R0"}))) {
    if (noise.size() < 2) continue;
    for (std::size_t s = 0; s < noise.front()->rows.size(); ++s) {
      ++seeds;
      rising += static_cast<std::size_t>(
          std::ranges::adjacent_find(noise, [s](const Group* a, const Group* b) {
            return a->rows[s]->kl_adapt >= b->rows[s]->kl_adapt ||
                   a->rows[s]->js_adapt >= b->rows[s]->js_adapt;
          }) == noise.end());
    }
  }
  if (seeds == 0) return claim;
  claim.figure = static_cast<double>(rising) / static_cast<double>(seeds);
  claim.figure_is = fmt::format("share of {} runs on which both rise", seeds);
  claim.study = "E3";
  if (rising == seeds) claim.verdict = Verdict::kSupported;
  if (rising == 0) claim.verdict = Verdict::kRefuted;
  return claim;
}

Claim js_saturates(Groups groups) {
  Claim claim{"C4", "JS tends to ln 2 as intensity grows",
              "supported if at the largest alpha of E3 the JS interval of every model lies above "
              "0.9 ln 2; otherwise open, since the range of alpha is finite"};
  const Group* least = nullptr;
  for (const auto& noise : by_model(select(
           groups, {.study = "E3", .locus = "theta", .mechanism = "noise", .rollback = "R0"}))) {
    if (least == nullptr || noise.back()->js_adapt.lo < least->js_adapt.lo) least = noise.back();
  }
  if (least == nullptr) return claim;
  const Row& row = least->first();
  set_figure(claim, least->js_adapt,
             fmt::format("JS of {} at alpha {:g}, the lowest of the models", row.model, *row.alpha),
             "E3");
  if (least->js_adapt.lo > 0.9 * kLn2) claim.verdict = Verdict::kSupported;
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

Claim policy_gradient_like_fine_tuning(Groups groups) {
  Claim claim{"C9", "policy gradient entangles theta as fine-tuning does",
              "ln of KL after policy gradient (REINFORCE with an entropy bonus of 0.2) over KL "
              "after Adam on "
              "labels, paired by seed, at the same score: open if a run missed the score; "
              "supported if its interval lies within ln 1.25 of 0, refuted if outside, else open"};
  claim.needs_all_studies = true;
  const auto policy = select(
      groups, {.study = "E5", .locus = "theta", .mechanism = "policy-gradient", .rollback = "R0"});
  auto adam =
      select(groups, {.study = "E4", .locus = "theta", .mechanism = "adam", .rollback = "R0"});
  if (policy.empty()) return claim;
  std::erase_if(adam, [&policy](const Group* group) {
    return group->first().model != policy.front()->first().model;
  });
  if (adam.empty()) return claim;
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

std::vector<double> values_of(const CurvePoint& curve) {
  std::vector<double> values;
  for (const Point* point : curve.points) values.push_back(point->value);
  return values;
}

Claim sharp_threshold(Curves curves) {
  Claim claim{"C5", "eliminating 60 % of a behavior is a sharp threshold",
              "first share at which KL is 0 under global pruning, highest learning rate of E2 less "
              "the lowest, paired by seed: refuted if its interval lies above 0.1 (the threshold "
              "belongs to the training, not to behaviors); supported if within 0.1 of 0 and every "
              "rate's share within 0.1 of 0.6; else open"};
  const auto global = select(curves, "E2", "global, steps", "first-zero");
  if (global.size() < 2) return claim;
  // The series of the fewest steps comes first; within it the rates rise.
  std::vector<const CurvePoint*> rates;
  for (const CurvePoint* curve : global) {
    if (curve->first().series == global.front()->first().series &&
        curve->first().model == global.front()->first().model) {
      rates.push_back(curve);
    }
  }
  std::vector<double> moved = values_of(*rates.back());
  const std::vector<double> lowest = values_of(*rates.front());
  for (std::size_t s = 0; s < moved.size(); ++s) moved[s] = moved[s] - lowest[s];
  const Summary summary = summarize(moved, "threshold moved");
  set_figure(claim, summary,
             fmt::format("threshold at rate {:g} less that at {:g}", rates.back()->first().at,
                         rates.front()->first().at),
             "E2");
  constexpr double kWithin = 0.1, kPaper = 0.6;
  if (summary.lo > kWithin) claim.verdict = Verdict::kRefuted;
  const auto near_paper = [](const CurvePoint* curve) {
    return curve->summary.lo > kPaper - kWithin && curve->summary.hi < kPaper + kWithin;
  };
  if (summary.lo > -kWithin && summary.hi < kWithin && std::ranges::all_of(rates, near_paper)) {
    claim.verdict = Verdict::kSupported;
  }
  return claim;
}

Claim worse_with_scale(Curves curves) {
  Claim claim{"C6", "recoverability worsens with scale",
              "slope of RF on log10 of the parameters, R6 with a fixed budget, a slope for each "
              "seed of E9: supported if its interval lies below 0, refuted if above, else open"};
  const auto sizes = select(curves, "E9", "theta, R6 fixed budget", "rf");
  if (sizes.size() < 3) return claim;
  const std::vector<double> slopes = slopes_by_seed(sizes);
  if (slopes.empty()) return claim;
  const Summary summary = summarize(slopes, "slope on scale");
  set_figure(claim, summary,
             fmt::format("mean slope over {} sizes, {:g} to {:g} parameters", sizes.size(),
                         sizes.front()->first().at, sizes.back()->first().at),
             "E9");
  if (summary.hi < 0) claim.verdict = Verdict::kSupported;
  if (summary.lo > 0) claim.verdict = Verdict::kRefuted;
  return claim;
}

Claim less_sensitive(Curves curves) {
  Claim claim{"C10", "phi is less sensitive to perturbation (SVAR) than theta",
              "SVAR of phi less that of theta under parameter noise of the same relative size, "
              "paired by seed, for each size of E11, with Holm's correction over the sizes: "
              "supported if every difference is below 0 at 5 %, refuted if every one is above, "
              "else open"};
  const auto sizes = select(curves, "E11", "phi - theta parameter-noise", "svar");
  if (sizes.empty()) return claim;
  std::vector<double> p;
  for (const CurvePoint* size : sizes) {
    p.push_back(bootstrap_p(values_of(*size), fmt::format("svar {:g}", size->first().at)));
  }
  const std::vector<double> adjusted = holm(p);
  std::size_t below = 0, above = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    constexpr double kLevel = 0.05;
    if (adjusted[i] >= kLevel) continue;
    (sizes[i]->summary.mean < 0 ? below : above) += 1;
  }
  const CurvePoint& last = *sizes.back();
  set_figure(claim, last.summary,
             fmt::format("difference at sigma {:g}; of {} sizes phi is below at {}, above at {}",
                         last.first().at, sizes.size(), below, above),
             "E11");
  if (below == sizes.size()) claim.verdict = Verdict::kSupported;
  if (above == sizes.size()) claim.verdict = Verdict::kRefuted;
  return claim;
}

}  // namespace

std::vector<Claim> judge_claims(std::span<const Group> groups, std::span<const CurvePoint> curves) {
  return {exact_unload(groups, curves),
          never_recovers(groups),
          monotone(groups),
          js_saturates(groups),
          sharp_threshold(curves),
          worse_with_scale(curves),
          bounded_rf(groups),
          no_inverse(groups, curves),
          policy_gradient_like_fine_tuning(groups),
          less_sensitive(curves),
          any_optimizer(groups)};
}

nlohmann::ordered_json claim_json(const Claim& claim) {
  using nlohmann::ordered_json;
  const auto optional = [](const std::optional<double>& x) {
    return x ? json_number(*x) : ordered_json();
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
  j["command"] = claim.command;
  j["rule"] = claim.rule;
  return j;
}

}  // namespace palinode::experiments
