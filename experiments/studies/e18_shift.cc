// E18: where a recovery was measured. Theta is fine-tuned and brought back by R6 (fine-tuning) and
// R7 (distilling), a behavior is unloaded (R17); then the recoverability factor is taken on every
// probe set of the identity, and the worst input is searched for by ascent on the divergence that
// is left (rbl/diagnostics/worst_case.h).
//
// A rollback that trains fits the function on the inputs it trains on. Unloading is not fitted to
// anything.
//
// Paper: its limits, "fixed evaluation distribution".
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/targets.h"
#include "rbl/diagnostics/worst_case.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp"}, {"digits-mlp"},
    {{"starts", "of the search for the worst input, from the probes; as many are random", 8.0,
      32.0},
     {"ascent_steps", "of the search, from each start", 20.0, 60.0}});

// The worst input: from some probes and random ones, inside of what the random probe set spans.
class Search {
 public:
  explicit Search(const Cell& cell)
      : identity_(&cell.identity()), rng_(cell.rng().stream("e18/worst")) {
    const auto starts = static_cast<std::size_t>(cell.settings().count("starts"));
    const std::size_t all = identity_->probes.shape()[0];
    starts_ = identity_->probes.rows(0, std::min(starts, all)).compact();
    steps_ = cell.settings().count("ascent_steps");
    random_ = starts;
    if (identity_->probes.dtype() == Dtype::kI32) return;
    low_ = std::numeric_limits<float>::max();
    high_ = std::numeric_limits<float>::lowest();
    for (const ProbeSet& set : identity_->probe_sets) {
      for (const float x : set.probes.compact().values<float>()) {
        low_ = std::min(low_, x);
        high_ = std::max(high_, x);
      }
    }
  }

  double operator()(const nn::Model& function) const {
    if (identity_->probes.dtype() == Dtype::kI32) {
      return rbl::worst_tokens(*identity_->network, function, starts_,
                               {.vocab = identity_->classes,
                                .random_starts = random_,
                                .candidates = std::min<std::size_t>(16, identity_->classes)},
                               rng_)
          .kl;
    }
    return rbl::worst_input(*identity_->network, function, starts_,
                            {.low = low_, .high = high_, .steps = steps_, .random_starts = random_},
                            rng_)
        .kl;
  }

 private:
  const Identity* identity_;
  Rng rng_;
  Tensor starts_;
  std::size_t steps_ = 0, random_ = 0;
  float low_ = 0, high_ = 1;
};

// How far a function is from the identity, on each probe set and at worst.
struct Distances {
  std::vector<double> kl;  // in the order of the probe sets
  double worst = 0;
};

Distances distances(const Identity& identity, const nn::Model& function, const Search& search) {
  Distances found;
  for (const ProbeSet& set : identity.probe_sets) {
    const auto log_p = [&](const nn::Model& model) {
      return rbl::log_probabilities(nn::evaluate(model, set.probes).compact());
    };
    found.kl.push_back(rbl::kl_divergence(log_p(*identity.network), log_p(function)).mean);
  }
  found.worst = search(function);
  return found;
}

class Shift {
 public:
  Shift(const Cell& cell, Outcome& outcome)
      : cell_(&cell), identity_(&cell.identity()), search_(cell), outcome_(&outcome) {}

  void theta() {
    ThetaCopy copy(*identity_);
    const Adapted adapted = adapt(copy.ledger(), copy.store(), copy.function(), *identity_,
                                  identity_->shifted(), Mechanism::kAdam, stream("theta"));
    const Stage stage = look(*identity_, copy.store(), copy.function());
    const Distances before = distances(*identity_, copy.function(), search_);
    Rollbacks rollbacks;
    rollbacks.push_back(fine_tune_back(*identity_));
    rollbacks.push_back(distil_back(*identity_));
    for (const auto& rollback : rollbacks) {
      const Store& fork =
          copy.ledger().open(fmt::format("theta.{}", rollback->id()), Role::kIdentity);
      copy.ledger().commit(copy_of(copy.store(), fork));
      const auto model = identity_->build(fork);
      rbl::Subject subject(copy.ledger(), fork, *model);
      rollback->undo(subject);
      finish("theta", *rollback, adapted, stage, look(*identity_, fork, subject.function()), before,
             subject.function());
    }
  }

  void phi() {
    PhiUnit unit(*identity_, stream("lora"));
    const Adapted adapted = adapt(unit.ledger(), unit.store(), unit.function(), *identity_,
                                  identity_->shifted(), Mechanism::kAdam, stream("phi"));
    const Stage stage = look(*identity_, *identity_->theta, unit.function());
    const Distances before = distances(*identity_, unit.function(), search_);
    rbl::Subject subject(unit.ledger(), *identity_->theta, *identity_->network, unit.behavior());
    const auto rollback = rbl::unload();
    rollback->undo(subject);
    finish("phi", *rollback, adapted, stage,
           look(*identity_, *identity_->theta, subject.function()), before, subject.function());
  }

 private:
  Rng stream(const char* name) const { return cell_->rng().stream("e18").stream(name); }

  void finish(const char* locus, const rbl::Rollback& rollback, const Adapted& adapted,
              const Stage& before_stage, const Stage& after_stage, const Distances& before,
              const nn::Model& function) {
    Row row =
        make_row(*identity_, {"E18", "adam"}, locus, rollback.id(), before_stage, after_stage);
    const rbl::Price paid = rollback.price();
    row.steps = adapted.steps;
    row.score_reached = adapted.reached;
    row.bytes_kept = paid.bytes_kept;
    row.passes = paid.passes;
    row.flops = paid.flops;
    row.seconds = paid.seconds;
    outcome_->rows.push_back(std::move(row));
    const Distances after = distances(*identity_, function, search_);
    for (std::size_t i = 0; i < after.kl.size(); ++i) {
      add(rollback, identity_->probe_sets[i].name, before.kl[i], after.kl[i]);
    }
    add(rollback, "worst found", before.worst, after.worst);
  }

  void add(const rbl::Rollback& rollback, const std::string& set, double before, double after) {
    const rbl::Recoverability rf = rbl::recoverability(before, after);
    const std::string series = fmt::format("{}, {}", rollback.id(), set);
    const auto point = [&](const char* quantity, double value) {
      outcome_->points.push_back(cell_->point(series, "", 0, quantity, value, identity_->data));
    };
    point("kl-adapted", before);
    point("kl", after);
    point("rf", rf.state == rbl::Recoverability::State::kValue
                    ? rf.value
                    : std::numeric_limits<double>::quiet_NaN());
  }

  const Cell* cell_;
  const Identity* identity_;
  Search search_;
  Outcome* outcome_;
};

Outcome run(const Cell& cell) {
  Outcome outcome;
  Shift shift(cell, outcome);
  shift.theta();
  shift.phi();
  return outcome;
}

// What was unloaded is the identity on every input there is, found or not.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& p : points) {
    if (p.study == "E18" && p.quantity == "kl" && p.series.starts_with("R17") && p.value != 0) {
      return fmt::format("E18 {} seed {}: KL {:g}", p.series, p.seed, p.value);
    }
  }
  return "";
}

// A verdict on each rollback that trains.
Judgement judge_local(const Evidence& evidence, const std::string& arm) {
  constexpr std::string_view kHere = "in-distribution";
  Tally local(fmt::format("what {} recovers is local: RF is lower on some other set", arm), "sets",
              Over::kSome);
  for (const CurvePoint* there : curves_like(evidence.curves, "E18", arm + ", ", "rf")) {
    const Point& p = there->first();
    const std::string set = p.series.substr(arm.size() + 2);
    const CurvePoint* here =
        beside(evidence.curves, *there, fmt::format("{}, {}", arm, kHere), "rf");
    if (set == kHere || here == nullptr) continue;
    local.add(
        below(there->summary, here->summary.lo) == Case::kHolds   ? Case::kHolds
        : above(there->summary, here->summary.hi) == Case::kHolds ? Case::kFails
                                                                  : Case::kUndecided,
        set,
        fmt::format("{}, {} {}", interval_of(there->summary), kHere, interval_of(here->summary)));
  }
  return local.judgement();
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally unloads("after the unload RF is 1 on every set", "runs and sets");
  add_equal(unloads, curves_like(evidence.curves, "E18", "R17, ", "rf"), 1);
  return {judge_local(evidence, "R6"), judge_local(evidence, "R7"), unloads.judgement()};
}

}  // namespace

extern const Study kShift = {
    "E18",
    "shift",
    "limits: the fixed evaluation distribution",
    "does a recovery hold on other inputs than those it was measured on",
    "a rollback that trains (R6, R7) is local if the 95 % interval of RF on some other set, or at "
    "the worst input found, lies below that on the in-distribution set, not if above on all; "
    "unload must be 1 on all",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
