// E13: how far training can be played backwards. Each optimizer adapts theta for T steps; R9 to R11
// replay them in f32 and, over the same values, in f64; and R10 and R11 once more with the bits
// that rounding loses kept (optim/reversible.h).
//
// Paper: the lemma that weight mutation has no deterministic inverse in general.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "experiments/studies/recast.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "optim/reversible_adam.h"
#include "rbl/diagnostics/recovery.h"
#include "rbl/diagnostics/scratch.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"steps", "lengths T of the adaptation", Numbers{1, 5, 20, 100, 200},
                    Numbers{1, 2, 5, 10, 20, 50, 100, 200, 500}},
                   {"iterations", "most passes for a step back of R9", 6.0, 50.0}});

constexpr double kMomentum = 0.9;

// What a run of the longest adaptation was like after T of its steps: the schedule is constant and
// batch t depends on t alone, so a shorter adaptation is the beginning of a longer one.
struct Reached {
  std::uint64_t steps;
  std::vector<Entry> theta, state;
  std::uint64_t lost_bits = 0;
};

std::vector<std::uint64_t> lengths(const Settings& settings) {
  std::vector<std::uint64_t> all;
  for (const double steps : settings.numbers("steps")) {
    all.push_back(static_cast<std::uint64_t>(steps));
  }
  std::ranges::sort(all);
  return all;
}

template <class Optimizer>
std::vector<Reached> run_forward(Fork& fork, const Store& state, const Optimizer& optimizer,
                                 const rbl::Loss& loss, const std::vector<std::uint64_t>& lengths) {
  std::vector<Reached> reached;
  std::uint64_t t = 0;
  for (const std::uint64_t steps : lengths) {
    for (; t < steps; ++t) {
      fork.ledger().commit(optimizer.propose(rbl::pass(fork.model(), loss, t).gradients));
    }
    reached.push_back({steps, fork.values(), rbl::named_values(state)});
    if constexpr (requires { optimizer.lost_bits(); }) {
      reached.back().lost_bits = optimizer.lost_bits();
    }
  }
  return reached;
}

struct Trial {
  const Cell& cell;
  const Identity& identity;
  Outcome& outcome;

  rbl::Departure departure(const Fork& fork) const {
    return rbl::departure(identity.seen, rbl::observe(fork.model(), fork.theta(), identity.probes),
                          *identity.theta, fork.theta());
  }
  // Takes the steps back and says what came of it.
  void undo(const Reached& reached, rbl::Rollback& arm, const std::string& series) const {
    Fork fork(identity, reached.theta);
    const Store& state = fork.add("state", Role::kOptimizer, reached.state);
    arm.after_optimizer(state);
    arm.after(fork.theta());
    const rbl::Departure adapted = departure(fork);
    rbl::Subject subject(fork.ledger(), fork.theta(), fork.model());
    arm.undo(subject);
    const rbl::Recovery back = rbl::recovery(adapted, departure(fork));
    const auto steps = static_cast<double>(reached.steps);
    const double cells = static_cast<double>(back.words) * steps;
    const auto add = [&](const char* quantity, double value) {
      outcome.points.push_back(cell.point(series, "steps", steps, quantity, value, identity.data));
    };
    add("rf", value_of(back.kl));
    add("words-changed-share", 1 - back.words_share);
    add("exact", back.exact ? 1 : 0);
    add("passes", static_cast<double>(arm.price().passes));
    // Of all that is kept, and of the lost bits alone; for each parameter and step.
    add("bits-kept", 8 * static_cast<double>(arm.price().bytes_kept) / cells);
    if (reached.lost_bits > 0) {
      add("lost-bits", static_cast<double>(reached.lost_bits) / cells);
    }
  }
};

void plain(const Trial& trial, Mechanism mechanism, const std::string& type) {
  const Identity& identity = trial.identity;
  const std::uint64_t iterations = trial.cell.settings().count("iterations");
  const double lr = identity.recipes.at(mechanism).lr_theta;
  const rbl::Loss loss =
      course_of(identity, identity.shifted(), mechanism, lr, identity.rng.stream("e13/adapt")).loss;
  Fork fork(identity);
  const Store& state = fork.ledger().open("state", Role::kOptimizer);
  const auto optimizer = make_optimizer(mechanism, lr, state, fork.theta());
  const std::string series = fmt::format("{} {}", mechanism_name(mechanism), type);
  for (const Reached& reached :
       run_forward(fork, state, *optimizer, loss, lengths(trial.cell.settings()))) {
    const rbl::Replay replay{loss, reached.steps, lr};
    const auto arm = mechanism == Mechanism::kSgd ? rbl::reverse_sgd(replay, iterations)
                     : mechanism == Mechanism::kMomentum
                         ? rbl::reverse_momentum(replay, kMomentum)
                         : rbl::reverse_adam(replay, optim::AdamConfig{.lr = lr});
    trial.undo(reached, *arm, series);
  }
}

template <class Optimizer, class Config>
void with_lost_bits(const Trial& trial, Mechanism mechanism, const Config& config) {
  const Identity& identity = trial.identity;
  const rbl::Loss loss =
      course_of(identity, identity.shifted(), mechanism, 0, identity.rng.stream("e13/adapt")).loss;
  Fork fork(identity);
  const Store& state = fork.ledger().open("state", Role::kOptimizer);
  const Optimizer optimizer(state, fork.theta(), config);
  fork.ledger().commit(optimizer.begin());
  const std::string series = fmt::format("{} f32 lost-bits", mechanism_name(mechanism));
  for (const Reached& reached :
       run_forward(fork, state, optimizer, loss, lengths(trial.cell.settings()))) {
    const auto arm = rbl::reverse_exactly(loss, config);
    arm->before(*identity.theta);
    trial.undo(reached, *arm, series);
  }
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const auto wide = recast(identity, [](const Tensor& w) { return w.to(Dtype::kF64); });
  Outcome outcome;
  for (const Mechanism mechanism : {Mechanism::kSgd, Mechanism::kMomentum, Mechanism::kAdam}) {
    plain({cell, identity, outcome}, mechanism, "f32");
    plain({cell, *wide, outcome}, mechanism, "f64");
  }
  const Trial trial{cell, identity, outcome};
  with_lost_bits<optim::ReversibleSgd>(
      trial, Mechanism::kMomentum,
      optim::ReversibleConfig{.lr = identity.recipes.at(Mechanism::kMomentum).lr_theta});
  with_lost_bits<optim::ReversibleAdam>(
      trial, Mechanism::kAdam,
      optim::ReversibleAdamConfig{.lr = identity.recipes.at(Mechanism::kAdam).lr_theta});
  return outcome;
}

// With the lost bits a step back is exact by construction.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& point : points) {
    if (point.study != "E13" || point.quantity != "exact") continue;
    if (point.series.ends_with("lost-bits") && point.value != 1) {
      return fmt::format("E13 {} seed {}: words differ after {:g} steps were taken back",
                         point.series, point.seed, point.at);
    }
  }
  return "";
}

bool has_lost_bits(const CurvePoint& curve) { return curve.first().series.ends_with("lost-bits"); }

// The longest T up to which RF has an interval above 0.99; 0 if there is none.
double reach_of(const CurveList& curve) {
  double reach = 0;
  for (const CurvePoint* point : curve) {
    if (point->undefined > 0 || !(point->summary.lo > 0.99)) break;
    reach = point->first().at;
  }
  return reach;
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally exact("with its lost bits the replay is exact for every T: no snapshot is needed", "runs");
  CurveList with_bits = curves_like(evidence.curves, "E13", "", "exact");
  std::erase_if(with_bits, [](const CurvePoint* c) { return !has_lost_bits(*c); });
  add_equal(exact, with_bits, 1);
  std::vector<Judgement> judged = {exact.judgement()};
  for (const char* optimizer : {"sgd", "momentum", "adam"}) {
    const std::string statement = fmt::format(
        "it is rounding that ends the plain replay of {}: f64 reaches further than f32", optimizer);
    const auto curve = [&](const char* type) {
      CurveList all =
          curves_like(evidence.curves, "E13", fmt::format("{} {}", optimizer, type), "rf");
      std::erase_if(all, [](const CurvePoint* c) { return has_lost_bits(*c); });
      return all;
    };
    const CurveList narrow = curve("f32"), wide = curve("f64");
    if (narrow.empty() || wide.empty()) {
      judged.push_back(open_for(statement, "this run has no such replay"));
      continue;
    }
    const double f32 = reach_of(narrow), f64 = reach_of(wide);
    Tally further(statement, "optimizers");
    const bool ended = f32 < narrow.back()->first().at;
    further.add(!ended      ? Case::kUndecided
                : f64 > f32 ? Case::kHolds
                            : Case::kFails,
                optimizer, fmt::format("f32 to {:g} steps, f64 to {:g}", f32, f64));
    judged.push_back(further.judgement());
  }
  return judged;
}

}  // namespace

extern const Study kReplay = {
    "E13",
    "replay-horizon",
    "lemma: no deterministic inverse",
    "how many steps can be played backwards, and what ends it",
    "\"no inverse without a snapshot\" is refuted if the replay with its lost bits is exact for "
    "every T and seed; for an optimizer whose plain replay reaches further in f64 than in f32 it "
    "is rounding that ends it, for another it is not (reach: the longest T up to which the 95 % "
    "interval of RF lies above 0.99; open if f32 reaches every T)",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
