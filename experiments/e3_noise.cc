// E3: mutation intensity. Seeded Gaussian noise of growing size on theta, and on an attached phi,
// then each rollback.
//
// Paper: table and figure "mutation intensity" (post-reset KL 0.169 / 6.35 / 14.7 at alpha 0.001 /
// 0.01 / 0.05 on the 1.5B model), where the reset is R0 in our terms.
#include <array>

#include "experiments/study.h"
#include "experiments/trial.h"
#include "rbl/mutate.h"

namespace palinode::experiments {
namespace {

constexpr std::array kAlphas = {0.001, 0.01, 0.05};

Change add_noise(double alpha, const Rng& stream) {
  return [alpha, stream](Ledger& ledger, const Store& target, const nn::Model&) -> std::uint64_t {
    ledger.commit(rbl::noise(target, alpha, stream));
    return 0;
  };
}

Outcome run(const Identity& identity) {
  Outcome outcome;
  const auto keep = [&outcome](std::vector<Row> rows) {
    for (Row& row : rows) outcome.rows.push_back(std::move(row));
  };
  const Rng stream = identity.rng.stream("noise");
  for (const double alpha : kAlphas) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::no_rollback());
    rollbacks.push_back(rbl::snapshot());
    rollbacks.push_back(rbl::subtract_delta());
    rollbacks.push_back(fine_tune_back(identity));
    rollbacks.push_back(rbl::subtract_seeded_noise(alpha, stream));
    keep(trial_on_theta(identity, {"E3", "noise", alpha}, add_noise(alpha, stream), rollbacks));
  }
  for (const double alpha : kAlphas) {
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::no_rollback());
    rollbacks.push_back(rbl::unload());
    keep(trial_on_phi(identity, {"E3", "noise", alpha}, add_noise(alpha, stream.stream("phi")),
                      rollbacks, identity.rng.stream("lora")));
  }
  return outcome;
}

}  // namespace

extern const Study kNoise = {"E3", "noise", "mutation intensity (figure and table)",
                             "monotone if KL and JS rise with alpha on every seed; RF = 0 for all "
                             "rollbacks is refuted by one whose 95 % "
                             "interval lies above 0",
                             run};

}  // namespace palinode::experiments
