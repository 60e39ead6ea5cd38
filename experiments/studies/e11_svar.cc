// E11: stability under perturbation (SVAR). Theta and phi are adapted to the same task until the
// same score and then perturbed along five axes, at the same relative size: noise in a tensor w has
// the norm sigma ||w||, of theta and of phi alike.
//
//   parameter-noise, parameter-mask, environment    against sigma
//   topology                                        against swaps of two adaptations
//   runtime, reset                                  against cycles of unloading and loading
//
// SVAR(sigma) = mean over draws of KL(f_adapted || f_perturbed), 0 at 0. The authors' code takes
// the base model in f_adapted's place ("reference-code"): at 0 it gives the size of the adaptation,
// and a perturbation that removes the adaptation looks robust.
//
// What the claim turns on are the differences phi - theta, paired by seed at each sigma.
// "sensitivity" is SVAR with one tensor perturbed alone, for the heat map.
//
// Paper: the section on SVAR, which reports no number.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/svar_targets.h"
#include "experiments/usage_error.h"
#include "rbl/diagnostics/stability.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"sigmas", "relative sizes of noise and shares of elements masked, ascending",
                    Numbers{0.01, 0.1, 0.3}, Numbers{1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1}},
                   {"draws", "for each size", 8.0, 30.0},
                   {"cycles", "of unloading and loading", Numbers{1, 3}, Numbers{1, 3, 10}},
                   {"row_sigma", "that of the rows' svar; one of sigmas", 0.1, 0.1},
                   {"heat_draws", "for each tensor and size", 3.0, 10.0},
                   {"second_steps", "of the second adaptation, for the topology", 40.0, 100.0}});

// Noise in one tensor only.
rbl::ValueChange noise_in(std::size_t tensor) {
  return
      [tensor](const rbl::NamedValues& values, double sigma, std::uint64_t draw, const Rng& rng) {
        rbl::NamedValues result = values;
        result[tensor] = rbl::with_relative_noise({values[tensor]}, sigma, draw, rng).front();
        return result;
      };
}

class Measured {
 public:
  Measured(const Cell& cell, const SvarTarget& target, std::vector<Point>& points)
      : cell_(&cell),
        identity_(&cell.identity()),
        target_(&target),
        points_(&points),
        rng_(cell.rng().stream("e11/draws")),
        log_p_(log_p_of(*identity_, target.function())),
        d_adapt_(rbl::kl_divergence(identity_->seen.log_p, log_p_).mean) {
    add("adaptation", "", 0, "kl", d_adapt_);
    by_sigma();
    by_count();
    heat_map();
    report_.d_adapt = d_adapt_;
    report_.after_unload =
        rbl::leak_after_unload(target.lifecycle(), identity_->seen.log_p, identity_->probes);
    const rbl::Stability stability = rbl::classify(report_).stability;
    add(std::string(rbl::stability_name(stability)), "", 0, "stability", 1);
    add("after unload", "", 0, "ils-max", report_.after_unload->max);
  }

  // SVAR by axis and size.
  const std::map<std::pair<std::string, double>, double>& means() const { return means_; }
  double d_adapt() const { return d_adapt_; }

 private:
  const Numbers& sigmas() const { return cell_->settings().numbers("sigmas"); }

  void by_sigma() {
    const rbl::ParameterAxis noise(target_->family(), target_->store(), rbl::with_relative_noise,
                                   identity_->probes, rng_.stream("noise"));
    report_.parameter = measure("parameter-noise", "sigma", sigmas(), draws(), noise, log_p_);
    const rbl::ParameterAxis mask(target_->family(), target_->store(), rbl::masked,
                                  identity_->probes, rng_.stream("mask"));
    measure("parameter-mask", "sigma", sigmas(), draws(), mask, log_p_);
    const bool tokens = identity_->probes.dtype() == Dtype::kI32;
    const rbl::EnvironmentAxis inputs(target_->function(), identity_->probes,
                                      rng_.stream("environment"), tokens ? identity_->classes : 0);
    report_.environment = measure("environment", "sigma", sigmas(), draws(), inputs, log_p_);
  }

  void by_count() {
    // Two units have one other order, and a forced reset has nothing to draw.
    const rbl::TopologyAxis order(target_->compose(), 2, identity_->probes,
                                  rng_.stream("topology"));
    const std::size_t both[] = {0, 1};
    report_.topology = measure("topology", "swaps", {1}, 1, order,
                               log_p_of(*identity_, *target_->compose()(both)));
    const Numbers& cycles = cell_->settings().numbers("cycles");
    report_.runtime = measure(
        "runtime", "cycles", cycles, draws(),
        [&](double size, std::uint64_t draw) {
          return rbl::RuntimeAxis(target_->lifecycle(), identity_->probes, rng_.stream("runtime"))(
              size, draw);
        },
        log_p_);
    report_.reset = measure(
        "reset", "cycles", cycles, 1,
        [&](double size, std::uint64_t draw) {
          return rbl::ResetAxis(target_->lifecycle(), identity_->probes)(size, draw);
        },
        log_p_);
  }

  void heat_map() {
    const auto entries = target_->store().entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const rbl::ParameterAxis one(target_->family(), target_->store(), noise_in(i),
                                   identity_->probes, rng_.stream("noise"));
      const rbl::Svar found =
          rbl::svar(std::string(entries[i].name), log_p_, identity_->seen.log_p,
                    {.sizes = sigmas(), .draws = cell_->settings().count("heat_draws")}, one);
      for (const rbl::SvarPoint& p : found.points) {
        add(std::string(entries[i].name), "sigma", p.size, "sensitivity", p.envelope.mean);
      }
    }
  }

  std::size_t draws() const { return cell_->settings().count("draws"); }

  rbl::Svar measure(const std::string& axis, const char* variable, const Numbers& sizes,
                    std::size_t count, rbl::Perturbed perturbed, const Tensor& adapted) {
    const rbl::Svar found = rbl::svar(axis, adapted, identity_->seen.log_p,
                                      {.sizes = sizes, .draws = count}, perturbed);
    add(axis, variable, 0, "svar", 0);  // which svar() has checked
    add(axis, variable, 0, "reference-code", found.reference_code_at_0);
    for (const rbl::SvarPoint& p : found.points) {
      add(axis, variable, p.size, "svar", p.envelope.mean);
      add(axis, variable, p.size, "svar-q05", p.envelope.q05);
      add(axis, variable, p.size, "svar-q95", p.envelope.q95);
      add(axis, variable, p.size, "reference-code", p.reference_code.mean);
      means_[{axis, p.size}] = p.envelope.mean;
    }
    add(axis, "", 0, "slope", found.slope);
    return found;
  }

  void add(const std::string& series, const char* variable, double at, const char* quantity,
           double value) {
    points_->push_back(cell_->point(target_->locus() + " " + series, variable, at, quantity, value,
                                    identity_->data));
  }

  const Cell* cell_;
  const Identity* identity_;
  const SvarTarget* target_;
  std::vector<Point>* points_;
  Rng rng_;
  Tensor log_p_;
  double d_adapt_;
  rbl::StabilityReport report_;
  std::map<std::pair<std::string, double>, double> means_;
};

Row row_of(const Identity& identity, const SvarTarget& target, double svar) {
  const bool phi = target.locus() == "phi";
  const Store& theta = phi ? *identity.theta : target.store();
  const Stage adapted = look(identity, theta, target.function());
  const Stage after = phi ? look(identity, theta, *identity.network) : adapted;
  Row row = make_row(identity, {"E11", "adam"}, target.locus(), phi ? "R17" : "R0", adapted, after);
  row.svar = svar;
  row.steps = target.adapted().steps;
  row.score_reached = target.adapted().reached;
  if (phi) row.bytes_behavior = target.store().bytes();
  return row;
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const Numbers& sigmas = cell.settings().numbers("sigmas");
  const double of_rows = cell.settings().number("row_sigma");
  if (std::ranges::find(sigmas, of_rows) == sigmas.end()) {
    throw UsageError(fmt::format("E11: row_sigma {:g} is none of the sigmas", of_rows));
  }
  const Rng stream = cell.rng().stream("e11");
  const std::uint64_t second = cell.settings().count("second_steps");
  const auto theta = svar_of_theta(identity, stream.stream("theta"), second);
  const auto phi = svar_of_phi(identity, stream.stream("phi"), second);
  Outcome outcome;
  const Measured of_theta(cell, *theta, outcome.points), of_phi(cell, *phi, outcome.points);
  for (const char* axis : {"parameter-noise", "parameter-mask", "environment"}) {
    for (const double sigma : sigmas) {
      const double a = of_phi.means().at({axis, sigma}), b = of_theta.means().at({axis, sigma});
      const auto add = [&](const char* quantity, double value) {
        outcome.points.push_back(cell.point(fmt::format("phi - theta {}", axis), "sigma", sigma,
                                            quantity, value, identity.data));
      };
      add("svar", a - b);
      add("svar-share", a / of_phi.d_adapt() - b / of_theta.d_adapt());
    }
  }
  outcome.rows.push_back(
      row_of(identity, *theta, of_theta.means().at({"parameter-noise", of_rows})));
  outcome.rows.push_back(row_of(identity, *phi, of_phi.means().at({"parameter-noise", of_rows})));
  return outcome;
}

std::vector<Judgement> judge(const Evidence& evidence) {
  const auto judged = [&evidence](const char* statement, const char* quantity) {
    constexpr std::string_view kDifference = "phi - theta ";
    Tally less(statement, "axes and sigmas", Over::kEither);
    for (const CurvePoint* curve : curves_like(evidence.curves, "E11", kDifference, quantity)) {
      const Point& p = curve->first();
      less.add(below(curve->summary, 0),
               fmt::format("{} at sigma {:g}", p.series.substr(kDifference.size()), p.at),
               interval_of(curve->summary));
    }
    return less.judgement();
  };
  return {judged("phi is less sensitive than theta", "svar"),
          judged("phi is less sensitive than theta in shares of D_adapt", "svar-share")};
}

}  // namespace

extern const Study kSvar = {
    "E11",
    "svar",
    "the section on SVAR",
    "is phi less sensitive to perturbation than theta, at the same score and the same relative "
    "size",
    "phi is less sensitive at a sigma if the 95 % interval of SVAR(phi) - SVAR(theta), paired by "
    "seed, lies below 0; more sensitive if above; over parameter noise, mask and environment: "
    "supported if less at every sigma, refuted if more at every one, else open (C10 has Holm's "
    "correction). The shares of D_adapt are judged by the same rule and reported beside it",
    kKnobs,
    run,
    judge};

}  // namespace palinode::experiments
