// E8: what floating point leaves of W + BA - BA. A low-rank delta is merged into weights of f32,
// bf16 and f16 and taken out again, once to a thousand times, by five ways of taking it out; and
// once for deltas from 1e-4 to 10 times the size of the weights.
//
//   as-peft     adds the delta as it is, subtracts it rounded to the storage (rbl/merge.h)
//   symmetric   rounds it both times
//   difference  keeps fl(W' - W) and subtracts that (R3)
//   kahan       carries what each addition lost into the next one (Kahan 1965)
//   xor         keeps the exclusive or of old and new words (R2)
//
// Paper: the lemma's appeal to finite precision.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autograd/op_linalg.h"
#include "experiments/studies/changes.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "rbl/diagnostics/recovery.h"
#include "rbl/diagnostics/scratch.h"
#include "rbl/merge.h"
#include "rbl/rollback/values.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-mlp"}, {"digits-mlp"},
                  {{"cycles", "of merging and taking out", Numbers{1, 10, 100},
                    Numbers{1, 3, 10, 30, 100, 300, 1000}},
                   {"ratios", "||BA|| / ||W|| of each matrix, for one cycle",
                    Numbers{1e-4, 1e-2, 1, 10}, Numbers{1e-4, 1e-3, 1e-2, 1e-1, 1, 10}},
                   {"ratio", "that of the sweep over cycles", 0.1, 0.1},
                   {"rank", "of the delta", 8.0, 8.0}});

double norm(const Tensor& x) {
  double squares = 0;
  const Tensor wide = x.to(Dtype::kF64);
  for (const double each : wide.values<double>()) squares = squares + each * each;
  return std::sqrt(squares);
}

// A delta for every matrix: normal factors, scaled to the ratio.
rbl::LowRankDelta delta_for(const Identity& identity, double ratio, std::size_t rank) {
  rbl::LowRankDelta delta;
  const Rng stream = identity.rng.stream("e8/delta");
  for (const Entry& entry : identity.theta->entries()) {
    const Shape& w = entry.value.shape();
    if (w.rank() != 2) continue;
    const Rng own = stream.stream(entry.name);
    const Tensor a = own.stream("a").normal({w[0], rank}, Dtype::kF32);
    const Tensor b = own.stream("b").normal({rank, w[1]}, Dtype::kF32);
    delta.push_back({entry.name, a, b, ratio * norm(entry.value) / norm(product(a, b))});
  }
  return delta;
}

// Weights in a storage, a delta, and a way of taking it out again.
class Cycle {
 public:
  Cycle(const Identity& identity, const rbl::LowRankDelta& delta, const rbl::MergeConfig& config)
      : identity_(&identity), delta_(delta), config_(config), fork_(identity) {}
  virtual ~Cycle() = default;
  Cycle(const Cycle&) = delete;
  Cycle& operator=(const Cycle&) = delete;

  virtual void merge() { commit(rbl::add_low_rank(theta(), delta_, config_)); }
  virtual void take_out() { commit(rbl::subtract_low_rank(theta(), delta_, config_)); }

  rbl::Departure departure() const {
    return rbl::departure(identity_->seen, rbl::observe(fork_.model(), theta(), identity_->probes),
                          *identity_->theta, theta());
  }

 protected:
  const Store& theta() const { return fork_.theta(); }
  Fork& fork() { return fork_; }
  void commit(const Proposal& proposal) { fork_.ledger().commit(proposal); }
  Tensor store(const Tensor& x) const { return rbl::stored(x, config_.storage); }
  // f(x, y) of each matrix, rounded to the storage after the type of the weights.
  template <class F>
  Tensor rounded(const Tensor& x, const Tensor& y, const F& f) const {
    return store(rbl::zip(x, y, f));
  }
  const rbl::LowRankDelta& delta() const { return delta_; }

 private:
  const Identity* identity_;
  rbl::LowRankDelta delta_;
  rbl::MergeConfig config_;
  Fork fork_;
};

constexpr auto kPlus = [](auto x, auto y) { return x + y; };

class Difference : public Cycle {
 public:
  using Cycle::Cycle;
  void merge() override {
    const rbl::Values before = rbl::values_of(theta());
    Cycle::merge();
    kept_ = rbl::values_of(theta());
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      kept_[i] = rounded(kept_[i], before[i], rbl::kMinus);
    }
  }
  void take_out() override {
    rbl::Values back = rbl::values_of(theta());
    for (std::size_t i = 0; i < back.size(); ++i) {
      back[i] = rounded(back[i], kept_[i], rbl::kMinus);
    }
    commit(rbl::replace(theta(), back, Reason::kSubtract, "difference"));
  }

 private:
  rbl::Values kept_;
};

// y = d - c; t = w + y; c = (t - w) - y; w = t, every operation in the storage.
class Kahan : public Cycle {
 public:
  using Cycle::Cycle;
  void merge() override { add(1, Reason::kMerge); }
  void take_out() override { add(-1, Reason::kSubtract); }

 private:
  void add(int sign, Reason reason) {
    Proposal proposal{.reason = reason, .proposer = "kahan"};
    lost_.resize(delta().size());
    for (std::size_t i = 0; i < delta().size(); ++i) {
      const rbl::LowRank& part = delta()[i];
      const Tensor& w = theta().at(part.weight);
      const Tensor low = product(part.a, part.b);
      const Tensor d = rounded(low, low, [&](auto x, auto) {
        return static_cast<decltype(x)>(part.scaling) * x * static_cast<decltype(x)>(sign);
      });
      if (lost_[i].empty()) lost_[i] = Tensor::zeros(w.shape(), w.dtype());
      const Tensor y = rounded(d, lost_[i], rbl::kMinus);
      const Tensor t = rounded(w, y, kPlus);
      lost_[i] = rounded(rounded(t, w, rbl::kMinus), y, rbl::kMinus);
      proposal.writes.push_back({&theta(), PoolString(part.weight), t});
    }
    commit(proposal);
  }
  std::vector<Tensor> lost_;
};

class Xor : public Cycle {
 public:
  using Cycle::Cycle;
  void merge() override {
    journal_ = rbl::journal();
    journal_->before(theta());
    Cycle::merge();
    journal_->after_step(theta());
    journal_->after(theta());
  }
  void take_out() override {
    rbl::Subject subject(fork().ledger(), theta(), fork().model());
    journal_->undo(subject);
  }

 private:
  std::unique_ptr<rbl::Rollback> journal_;
};

struct Way {
  const char* name;
  rbl::Rounding rounding;
  std::unique_ptr<Cycle> (*make)(const Identity& identity, const rbl::LowRankDelta& delta,
                                 const rbl::MergeConfig& config);
};

template <class T>
std::unique_ptr<Cycle> make(const Identity& identity, const rbl::LowRankDelta& delta,
                            const rbl::MergeConfig& config) {
  return std::make_unique<T>(identity, delta, config);
}

constexpr Way kWays[] = {{"as-peft", rbl::Rounding::kAsPeft, make<Cycle>},
                         {"symmetric", rbl::Rounding::kSymmetric, make<Cycle>},
                         {"difference", rbl::Rounding::kSymmetric, make<Difference>},
                         {"kahan", rbl::Rounding::kSymmetric, make<Kahan>},
                         {"xor", rbl::Rounding::kSymmetric, make<Xor>}};

struct Sweep {
  const Cell& cell;
  const Identity& identity;  // in the storage
  rbl::Storage storage;
  Outcome& outcome;

  std::string type() const {
    return storage == rbl::Storage::kFull ? "f32" : std::string(rbl::storage_name(storage));
  }
  std::unique_ptr<Cycle> start(const Way& way, double ratio) const {
    const rbl::LowRankDelta delta = delta_for(identity, ratio, cell.settings().count("rank"));
    return way.make(identity, delta, {storage, way.rounding});
  }
  void add(const Way& way, const char* variable, double at, const rbl::Departure& merged,
           const rbl::Departure& left) const {
    const rbl::Recovery back = rbl::recovery(merged, left);
    const auto point = [&](const char* quantity, double value) {
      outcome.points.push_back(cell.point(fmt::format("{} {}", type(), way.name), variable, at,
                                          quantity, value, identity.data));
    };
    point("words-changed-share", 1 - back.words_share);
    point("drift", left.weights.norm == 0 ? 0 : left.weights.l2 / left.weights.norm);
    point("largest-drift", left.weights.largest);
    point("kl", left.kl);
    point("rf", value_of(back.kl));
  }
};

void over_cycles(const Sweep& sweep, const Way& way) {
  const auto cycle = sweep.start(way, sweep.cell.settings().number("ratio"));
  Numbers all = sweep.cell.settings().numbers("cycles");
  std::ranges::sort(all);
  std::uint64_t done = 0;
  for (const double cycles : all) {
    std::optional<rbl::Departure> merged;
    while (done < static_cast<std::uint64_t>(cycles)) {
      cycle->merge();
      ++done;
      if (done == static_cast<std::uint64_t>(cycles)) merged = cycle->departure();
      cycle->take_out();
    }
    if (merged) sweep.add(way, "cycles", cycles, *merged, cycle->departure());
  }
}

void over_ratios(const Sweep& sweep, const Way& way) {
  for (const double ratio : sweep.cell.settings().numbers("ratios")) {
    const auto cycle = sweep.start(way, ratio);
    cycle->merge();
    const rbl::Departure merged = cycle->departure();
    cycle->take_out();
    sweep.add(way, "ratio", ratio, merged, cycle->departure());
  }
}

// One cycle at the ratio of the sweep over cycles, as the arms do it.
void add_rows(const Sweep& sweep) {
  const double ratio = sweep.cell.settings().number("ratio");
  const rbl::LowRankDelta delta =
      delta_for(sweep.identity, ratio, sweep.cell.settings().count("rank"));
  for (const auto rounding : {rbl::Rounding::kAsPeft, rbl::Rounding::kSymmetric}) {
    const rbl::MergeConfig config{sweep.storage, rounding};
    Rollbacks rollbacks;
    rollbacks.push_back(rbl::subtract_merged(delta, config));
    if (rounding == rbl::Rounding::kSymmetric) {
      rollbacks.push_back(rbl::no_rollback());
      rollbacks.push_back(rbl::journal());
      rollbacks.push_back(rbl::subtract_delta());
    }
    const Label label{"E8", fmt::format("merge-{}", sweep.type()), ratio};
    sweep.outcome.add(trial_on_theta(
        sweep.identity, label, merge({delta, {.steps = 0, .reached = true}}, config), rollbacks));
  }
}

Outcome run(const Cell& cell) {
  Outcome outcome;
  for (const auto storage : {rbl::Storage::kFull, rbl::Storage::kBf16, rbl::Storage::kF16}) {
    const auto identity =
        recast(cell.identity(), [storage](const Tensor& w) { return rbl::stored(w, storage); });
    const Sweep sweep{cell, *identity, storage, outcome};
    for (const Way& way : kWays) {
      over_cycles(sweep, way);
      over_ratios(sweep, way);
    }
    add_rows(sweep);
  }
  return outcome;
}

// The exclusive or rounds nothing.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& point : points) {
    if (point.study != "E8" || point.quantity != "words-changed-share") continue;
    if (point.series.ends_with(" xor") && point.value != 0) {
      return fmt::format("E8 {} seed {}: words differ at {} {:g}", point.series, point.seed,
                         point.variable, point.at);
    }
  }
  return "";
}

// For one way of taking out: the distance after the most cycles against that after one.
Judgement judge_drift(const Evidence& evidence, std::string_view way) {
  Tally drifts(fmt::format("repeated {} drifts: past twice the distance of one cycle", way),
               "storages", Over::kEither);
  const double most = std::ranges::max(evidence.settings.numbers("cycles"));
  for (const CurvePoint* curve : curves_like(evidence.curves, "E8", "", "drift")) {
    const Point& first = curve->first();
    if (!first.series.ends_with(way) || first.variable != "cycles" || first.at != most) continue;
    const CurvePoint* once = beside(evidence.curves, *curve, first.series, "drift", 1);
    if (once == nullptr || once == curve) continue;
    const bool far = std::ranges::all_of(
        curve->points, [once](const Point* p) { return p->value > 2 * value_on(once, p->seed); });
    drifts.add(far, first.series,
               fmt::format("{} after {:g} cycles, {} after one", interval_of(curve->summary), most,
                           interval_of(once->summary)));
  }
  return drifts.judgement();
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally differ("words differ after one cycle of adding and subtracting, on every seed",
               "storages and ways");
  for (const CurvePoint* curve : curves_like(evidence.curves, "E8", "", "words-changed-share")) {
    const Point& first = curve->first();
    // The exclusive or subtracts nothing.
    if (first.variable != "cycles" || first.at != 1 || first.series.ends_with(" xor")) continue;
    const bool all =
        std::ranges::all_of(curve->points, [](const Point* p) { return p->value > 0; });
    differ.add(all, first.series, "a share of " + interval_of(curve->summary));
  }
  std::vector<Judgement> judged = {differ.judgement()};
  for (const Way& way : kWays) {
    if (std::string_view(way.name) != "xor") judged.push_back(judge_drift(evidence, way.name));
  }
  return judged;
}

}  // namespace

extern const Study kRounding = {
    "E8",
    "rounding",
    "lemma: finite precision",
    "what do rounding and repeated merging leave of W + BA - BA",
    "subtraction is no inverse if words differ after one cycle on every seed; a way of it drifts "
    "if after the most cycles the distance exceeds twice that after one, on every seed (refuted if "
    "so in no storage, open if in some)",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
