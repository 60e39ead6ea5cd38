// E10: buffers. A LoRA is trained in train mode over a network with BatchNorm, whose running
// statistics move with every pass though no optimizer holds them. Three ways to hold the identity:
//   open    theta is kept out of the optimizer, and that is all; the statistics move
//   frozen  theta and its statistics are frozen: a pass in train mode is refused
//   routed  the same, and the statistics go to a store of the behavior (rbl::NormStatistics)
// After the unload every parameter of theta is what it was in all three.
//
// Paper: the base is "frozen", by which its code means its parameters.
#include <fmt/format.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/targets.h"
#include "experiments/usage_error.h"
#include "nn/model_config.h"
#include "rbl/norm_statistics.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"digits-bn", "digits-bn-mlp"}, {"digits-bn", "digits-bn-mlp"},
                  {{"steps", "of Adam, in train mode", 40.0, 200.0}});

enum class Guard : std::uint8_t { kOpen, kFrozen, kRouted };

std::string_view name_of(Guard guard) {
  return guard == Guard::kOpen ? "open" : guard == Guard::kFrozen ? "frozen" : "routed";
}

const Store& statistics_of(const Identity& identity) {
  const Store* buffers = identity.network->buffers();
  if (buffers != nullptr) return *buffers;
  throw UsageError(fmt::format("E10: {} has no BatchNorm and so no buffers", identity.model));
}

// A copy of the identity with its statistics, and a LoRA over it.
class Trial {
 public:
  Trial(const Identity& identity, Guard guard, const Rng& stream)
      : identity_(&identity),
        ledger_(identity.level),
        theta_(&ledger_.open("theta", Role::kIdentity)),
        buffers_(&ledger_.open("buffers", Role::kBuffer)),
        phi_(&ledger_.open("phi", Role::kBehavior)),
        stream_(stream) {
    ledger_.commit(copy_of(*identity.theta, *theta_));
    ledger_.commit(copy_of(statistics_of(identity), *buffers_));
    network_ = nn::make_network(nn::config_of(*identity.network), *theta_, buffers_);
    if (guard != Guard::kOpen) {
      ledger_.freeze(*theta_);
      ledger_.freeze(*buffers_);
    }
    const rbl::BehaviorPointer lora = rbl::make_behavior(*phi_, *network_, lora_config());
    ledger_.commit(lora->init(stream.stream("lora")));
    with_lora_ = std::make_unique<const rbl::Attached>(rbl::attach(*network_, lora));
    function_ = with_lora_.get();
    if (guard != Guard::kRouted) return;
    own_ = &ledger_.open("phi.buffers", Role::kBuffer);
    const auto statistics =
        std::make_shared<const rbl::NormStatistics>(*own_, *buffers_, rbl::norm_sites(*buffers_));
    ledger_.commit(statistics->init());
    with_statistics_ = std::make_unique<const rbl::Attached>(rbl::attach(*with_lora_, statistics));
    function_ = with_statistics_.get();
  }

  // Throws FrozenError if a pass in train mode is refused.
  void train(std::uint64_t steps) {
    const Store& state = ledger_.open("optimizer.phi", Role::kOptimizer);
    const rbl::Course course = course_of(*identity_, identity_->shifted(), Mechanism::kAdam,
                                         rate_of(*identity_, Mechanism::kAdam, *phi_), stream_);
    const auto optimizer = course.optimizer(state, *phi_);
    for (std::uint64_t t = 0; t < steps; ++t) {
      Tape tape;
      nn::Run run(tape, {.mode = nn::Mode::kTrain});
      const Var value = course.loss(run, *function_, t);
      Proposal proposal = optimizer->propose(backward(value));
      run.add_buffers(proposal);
      ledger_.commit(proposal);
    }
  }

  Stage adapted() const { return look(*identity_, *theta_, *function_); }
  Stage unloaded() const { return look(*identity_, *theta_, *network_); }
  const Store& theta() const { return *theta_; }
  const Store& buffers() const { return *buffers_; }
  std::uint64_t behavior_bytes() const {
    return phi_->bytes() + (own_ == nullptr ? 0 : own_->bytes());
  }

 private:
  const Identity* identity_;
  Ledger ledger_;
  const Store *theta_, *buffers_, *phi_, *own_ = nullptr;
  Rng stream_;
  std::unique_ptr<nn::Network> network_;
  std::unique_ptr<const rbl::Attached> with_lora_, with_statistics_;
  const nn::Model* function_ = nullptr;
};

double number_of(const rbl::Recoverability& rf) {
  return rf.state == rbl::Recoverability::State::kValue ? rf.value
                                                        : std::numeric_limits<double>::quiet_NaN();
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  const std::uint64_t steps = cell.settings().count("steps");
  Outcome outcome;
  for (const Guard guard : {Guard::kOpen, Guard::kFrozen, Guard::kRouted}) {
    const auto add = [&](const char* quantity, double value) {
      outcome.points.push_back(
          cell.point(std::string(name_of(guard)), "", 0, quantity, value, identity.data));
    };
    Trial trial(identity, guard, cell.rng().stream("e10"));
    bool refused = false;
    try {
      trial.train(steps);
    } catch (const FrozenError&) {
      refused = true;
    }
    const Stage adapted = trial.adapted(), unloaded = trial.unloaded();
    Row row = make_row(identity, {"E10", fmt::format("adam-{}", name_of(guard))}, "phi", "R17",
                       adapted, unloaded);
    row.steps = refused ? 0 : steps;
    row.bytes_behavior = trial.behavior_bytes();
    add("refused", refused ? 1 : 0);
    add("kl", row.kl_rec);
    add("js", row.js_rec);
    add("rf", number_of(row.rf));
    add("theta-words-changed", static_cast<double>(row.words_changed));
    add("buffer-words-changed",
        static_cast<double>(rbl::words_changed(statistics_of(identity), trial.buffers())));
    add("score", adapted.task_metric);
    // A row R17 is the unload of a frozen identity; the open one is here to be seen to leak.
    if (guard != Guard::kOpen) outcome.rows.push_back(std::move(row));
  }
  return outcome;
}

// The instrument: statistics that are left open must be seen to move, and to move the function.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& p : points) {
    if (p.study != "E10" || p.series != "open") continue;
    if ((p.quantity == "buffer-words-changed" || p.quantity == "kl") && p.value == 0) {
      return fmt::format("E10 open seed {}: {} is 0", p.seed, p.quantity);
    }
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally leaks("open: KL > 0 after the unload though no word of theta changed", "runs");
  Tally exact("frozen and routed: KL = 0, and no word of theta or its buffers changed", "runs");
  for (const CurvePoint* curve : curves_like(evidence.curves, "E10", "", "kl")) {
    const std::string& series = curve->first().series;
    const CurvePoint* theta = beside(evidence.curves, *curve, series, "theta-words-changed");
    const CurvePoint* buffers = beside(evidence.curves, *curve, series, "buffer-words-changed");
    for (const Point* p : curve->points) {
      const double words = value_on(theta, p->seed), moved = value_on(buffers, p->seed);
      const std::string figure =
          fmt::format("KL {:.3g}, {:g} words of theta, {:g} of buffers", p->value, words, moved);
      if (series == "open") {
        leaks.add(p->value > 0 && words == 0, run_name(*p), figure);
      } else {
        exact.add(p->value == 0 && words == 0 && moved == 0, run_name(*p), figure);
      }
    }
  }
  return {leaks.judgement(), exact.judgement()};
}

}  // namespace

extern const Study kBuffers = {
    "E10",
    "buffers",
    "the claim that the base is frozen",
    "is a network back when its parameters are, or do its buffers move it",
    "open: leaks if KL > 0 on every seed though no word of theta changed; frozen and routed: exact "
    "if KL = 0 and no word of theta or its buffers changed on every seed",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
