// E20: relearning. An adaptation is taken back, and then tried again with the same data: whoever
// still holds something of it needs fewer steps than the identity did. Theta after R1, R6 and R8; a
// behavior that was detached and destroyed, then made anew.
//
// Paper: killability; that nothing of a destroyed behavior is left is claimed there, not measured.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "experiments/studies/recast.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "rbl/diagnostics/scratch.h"
#include "rbl/rollback/values.h"
#include "rbl/runtime.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"check_every", "steps from one look at the score to the next", 5.0, 1.0},
                   {"ascent_steps", "of R8", 30.0, 30.0}});

Goal goal(const Cell& cell) {
  return {.score = cell.identity().target,
          .check_every = cell.settings().count("check_every"),
          .most_steps = cell.identity().most_steps};
}

rbl::Course course(const Identity& identity, const Store& target) {
  return course_of(identity, identity.shifted(), Mechanism::kAdam,
                   rate_of(identity, Mechanism::kAdam, target), identity.rng.stream("e20/adapt"));
}

struct Attempt {
  Adapted adapted;
  std::vector<Entry> values;
};

Attempt learn_on(Fork& fork, const Cell& cell) {
  const Identity& identity = cell.identity();
  const Adapted adapted = adapt(fork.ledger(), fork.theta(), fork.model(), identity,
                                identity.shifted(), course(identity, fork.theta()), goal(cell));
  return {adapted, fork.values()};
}

bool equal(const std::vector<Entry>& a, const std::vector<Entry>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!rbl::same_bits(a[i].value, b[i].value)) return false;
  }
  return true;
}

void report(const Cell& cell, const std::string& series, const Attempt& first, const Attempt& again,
            Outcome& outcome) {
  const auto add = [&](const char* quantity, double value) {
    outcome.points.push_back(cell.point(series, "", 0, quantity, value, cell.identity().data));
  };
  const auto fresh = static_cast<double>(first.adapted.steps),
             relearned = static_cast<double>(again.adapted.steps);
  add("fresh-steps", fresh);
  add("relearning-steps", relearned);
  add("steps-ratio", relearned / fresh);
  add("reached", first.adapted.reached && again.adapted.reached ? 1 : 0);
  add("bits-equal", equal(first.values, again.values) ? 1 : 0);
}

void on_theta(const Cell& cell, Outcome& outcome) {
  const Identity& identity = cell.identity();
  Fork fork(identity);
  Rollbacks rollbacks;
  rollbacks.push_back(rbl::snapshot());
  rollbacks.push_back(rbl::no_rollback());
  rollbacks.push_back(fine_tune_back(identity));
  rbl::Course ascent = course(identity, fork.theta());
  ascent.steps = cell.settings().count("ascent_steps");
  rollbacks.push_back(rbl::gradient_ascent(ascent));
  for (const auto& rollback : rollbacks) rollback->before(fork.theta());
  const Attempt first = learn_on(fork, cell);
  for (const auto& rollback : rollbacks) rollback->after(fork.theta());
  const Stage adapted = look(identity, fork.theta(), fork.model());
  for (const auto& rollback : rollbacks) {
    Fork back(identity, first.values);
    rbl::Subject subject(back.ledger(), back.theta(), back.model());
    rollback->undo(subject);
    Row row = make_row(identity, {"E20", "adam"}, "theta", rollback->id(), adapted,
                       look(identity, back.theta(), back.model()));
    row.variant = rollback->variant();
    row.bytes_kept = rollback->price().bytes_kept;
    row.passes = rollback->price().passes;
    row.flops = rollback->price().flops;
    row.steps = first.adapted.steps;
    row.score_reached = first.adapted.reached;
    outcome.rows.push_back(std::move(row));
    report(cell, fmt::format("theta {}", rollback->id()), first, learn_on(back, cell), outcome);
  }
}

// In one runtime over one ledger: what is left of the first unit is there for the second.
void on_phi(const Cell& cell, Outcome& outcome) {
  const Identity& identity = cell.identity();
  Ledger ledger(identity.level);
  rbl::Runtime runtime(ledger, *identity.network);
  const auto learn_unit = [&](const std::string& unit) {
    runtime.create(unit, lora_config(), identity.rng.stream("e20/lora"));
    runtime.attach(unit);
    const Store& phi = runtime.roster()->at(unit).phi();
    const Adapted adapted = adapt(ledger, phi, runtime.function(), identity, identity.shifted(),
                                  course(identity, phi), goal(cell));
    return Attempt{adapted, rbl::named_values(phi)};
  };
  Attempt first = learn_unit("first");
  for (Entry& entry : first.values) entry.value = entry.value.copy();  // no handle on the unit's
  const Stage adapted = look(identity, *identity.theta, runtime.function());
  runtime.detach("first");
  runtime.destroy("first", "relearning", "E20");
  Row row = make_row(identity, {"E20", "adam"}, "phi", "R17", adapted,
                     look(identity, *identity.theta, runtime.function()));
  row.steps = first.adapted.steps;
  row.score_reached = first.adapted.reached;
  outcome.rows.push_back(std::move(row));
  report(cell, "phi R17", first, learn_unit("second"), outcome);
}

Outcome run(const Cell& cell) {
  Outcome outcome;
  on_theta(cell, outcome);
  on_phi(cell, outcome);
  return outcome;
}

// What was taken back exactly learns again as it did the first time.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& point : points) {
    if (point.study != "E20" || point.quantity != "bits-equal") continue;
    const bool exact = point.series == "phi R17" || point.series == "theta R1";
    if (exact && point.value != 1) {
      return fmt::format("E20 {} seed {}: learning again gave other bits than at first",
                         point.series, point.seed);
    }
  }
  return "";
}

Judgement judge_nothing_left(const Evidence& evidence, const std::string& series) {
  Tally nothing(fmt::format("after {} nothing is left: the same steps, the same bits", series),
                "runs");
  for (const CurvePoint* curve : curves_like(evidence.curves, "E20", series, "bits-equal")) {
    const CurvePoint* ratio = beside(evidence.curves, *curve, series, "steps-ratio");
    for (const Point* p : curve->points) {
      const double steps = value_on(ratio, p->seed);
      nothing.add(
          p->value == 1 && steps == 1, run_name(*p),
          fmt::format("bits {}, {:.4g} of the steps", p->value == 1 ? "equal" : "differ", steps));
    }
  }
  return nothing.judgement();
}

Judgement judge_something_left(const Evidence& evidence, const std::string& series) {
  Tally something(fmt::format("after {} something is left: relearning takes fewer steps", series),
                  "models");
  for (const CurvePoint* curve : curves_like(evidence.curves, "E20", series, "steps-ratio")) {
    something.add(curve->undefined > 0 ? Case::kUndecided : below(curve->summary, 1),
                  curve->first().model, interval_of(curve->summary) + " of the steps");
  }
  return something.judgement();
}

std::vector<Judgement> judge(const Evidence& evidence) {
  return {judge_nothing_left(evidence, "phi R17"), judge_nothing_left(evidence, "theta R1"),
          judge_something_left(evidence, "theta R6"), judge_something_left(evidence, "theta R8")};
}

}  // namespace

extern const Study kRelearning = {
    "E20",
    "relearning",
    "killability of a behavior",
    "is what was taken back learned again faster than it was at first",
    "something is left (of R6, R8) if the 95 % interval of relearning-steps / fresh-steps lies "
    "below 1; nothing is left (of R17, R1) if both runs take the same steps and end in the same "
    "bits on every seed",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
