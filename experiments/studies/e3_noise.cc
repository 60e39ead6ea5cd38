// E3: mutation intensity. Seeded Gaussian noise of growing size on theta, and on an attached phi,
// then each rollback.
//
// Paper: table and figure "mutation intensity" (post-reset KL 0.169 / 6.35 / 14.7 at alpha 0.001 /
// 0.01 / 0.05 on the 1.5B model), where the reset is R0 in our terms.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "experiments/studies/changes.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp", "tied-gpt"}, {"digits-mlp", "lande", "fashion-cnn", "tied-gpt", "austen-gpt"},
    {{"alphas", "sizes of the noise, ascending", Numbers{0.001, 0.01, 0.05, 0.3},
      Numbers{1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 5e-2, 1e-1, 3e-1, 1}},
     {"alphas_large", "the same on medium and large models", Numbers{0.01, 0.05, 0.3},
      Numbers{1e-3, 1e-2, 5e-2, 3e-1, 1}}});

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Numbers& alphas =
      cell.settings().numbers(scale_of(cell.model()) != Scale::kSmall ? "alphas_large" : "alphas");
  Outcome outcome;
  const Rng stream = identity.rng.stream("noise");
  for (const double alpha : alphas) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::no_rollback());
    rollbacks.push_back(rbl::snapshot());
    rollbacks.push_back(rbl::journal());
    rollbacks.push_back(rbl::subtract_delta());
    rollbacks.push_back(fine_tune_back(identity));
    rollbacks.push_back(rbl::subtract_seeded_noise(alpha, stream));
    outcome.add(
        trial_on_theta(identity, {"E3", "noise", alpha}, add_noise(alpha, stream), rollbacks));
  }
  // Weights kept in half the bits: theta itself is not one of these, so the noise includes the
  // rounding, which no seed brings back.
  for (const double alpha : alphas) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::no_rollback());
    rollbacks.push_back(rbl::subtract_seeded_noise(alpha, stream, rbl::Storage::kBf16));
    outcome.add(trial_on_theta(identity, {"E3", "noise-bf16", alpha},
                               add_noise(alpha, stream, rbl::Storage::kBf16), rollbacks));
  }
  for (const double alpha : alphas) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::no_rollback());
    rollbacks.push_back(rbl::unload());
    outcome.add(trial_on_phi(identity, {"E3", "noise", alpha},
                             add_noise(alpha, stream.stream("phi")), rollbacks,
                             identity.rng.stream("lora")));
  }
  return outcome;
}

// Whether KL and JS rise with alpha in each run, noise on theta in f32 before any rollback.
Judgement judge_monotone(const Evidence& evidence) {
  Tally rises("KL and JS rise from each alpha to the next, noise on theta", "runs");
  std::map<std::pair<std::string, std::uint64_t>, std::vector<const Row*>> runs;
  for (const Group* group : groups_like(evidence.groups, "E3", "theta", "noise", "R0")) {
    for (const Row* row : group->rows) runs[{row->model, row->seed}].push_back(row);
  }
  for (const auto& [run, rows] : runs) {
    if (rows.size() < 2) continue;
    const auto fall = std::ranges::adjacent_find(rows, [](const Row* before, const Row* after) {
      return before->kl_adapt >= after->kl_adapt || before->js_adapt >= after->js_adapt;
    });
    const bool rising = fall == rows.end();
    const Row& from = rising ? *rows.front() : **fall;
    const Row& to = rising ? *rows.back() : **std::next(fall);
    rises.add(rising, fmt::format("{}, seed {}", run.first, run.second),
              fmt::format("KL {:.4g} to {:.4g}, JS {:.4g} to {:.4g} from alpha {:g} to {:g}",
                          from.kl_adapt, to.kl_adapt, from.js_adapt, to.js_adapt, *from.alpha,
                          *to.alpha));
  }
  return rises.judgement();
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally nothing("after noise on theta RF is 0 for every rollback without a snapshot", "groups");
  add_rf_zero(nothing, groups_like(evidence.groups, "E3", "theta"));
  return {judge_monotone(evidence), nothing.judgement()};
}

}  // namespace

extern const Study kNoise = {
    "E3",
    "noise",
    "mutation intensity (figure and table)",
    "how does divergence grow with noise, and what of it can be undone",
    "monotone if KL and JS rise with alpha on every seed and model (noise on theta, in f32); RF = "
    "0 for all rollbacks is refuted by one without a snapshot (neither theta nor a journal of its "
    "writes) whose 95 % interval lies above 0",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
