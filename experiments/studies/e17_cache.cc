// E17: caches. A language model reads a sequence token by token and keeps the keys and values of
// what it has seen; meanwhile its behavior is switched, from A to B to none. What a cache holds was
// computed with A, and a function that reads on from it is not the function that is attached.
//
//   keyed      the cache belongs to a function and refuses another (nn/kv_cache.h); it is cleared
//              and filled again from the tokens
//   unkeyed    the same cache under a seam that gives one key whatever is attached
//
// KL is taken at each position after a switch, from the function that is attached, run without any
// cache.
//
// Paper: nothing; it holds that an unloaded model is the base model.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "experiments/studies/study.h"
#include "experiments/studies/targets.h"
#include "experiments/usage_error.h"
#include "nn/kv_cache.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs =
    with_subjects({"bytes-gpt"}, {"bytes-gpt"},
                  {{"seeds_medium", "seeds of each medium model", kQuickSeeds, kFullSeeds},
                   {"steps", "of Adam for each behavior", 20.0, 100.0},
                   {"sequences", "read", 16.0, 64.0}});

// What is attached now, or nothing. Without keys it looks the same to a cache whatever that is.
class Switch : public nn::Seam {
 public:
  explicit Switch(bool keyed) : keyed_(keyed) {}
  void set(const nn::Seam* now) { now_ = now; }

  Var parameter(nn::Run& run, const Store& store, std::string_view name,
                Var stored) const override {
    return now_ == nullptr ? stored : now_->parameter(run, store, name, stored);
  }
  Var before(nn::Run& run, std::string_view site, Var input) const override {
    return now_ == nullptr ? input : now_->before(run, site, input);
  }
  Var at(nn::Run& run, std::string_view site, Var input, Var output) const override {
    return now_ == nullptr ? output : now_->at(run, site, input, output);
  }
  Sha256Digest key() const override {
    if (!keyed_) return sha256("the same for all");
    return now_ == nullptr ? sha256("nothing attached") : now_->key();
  }

 private:
  bool keyed_;
  const nn::Seam* now_ = nullptr;
};

// Columns [begin, end) of i32 [n, time].
Tensor columns(const Tensor& tokens, std::size_t begin, std::size_t end) {
  const std::size_t rows = tokens.shape()[0], time = tokens.shape()[1];
  std::vector<std::int32_t> part;
  for (std::size_t b = 0; b < rows; ++b) {
    const auto row = tokens.values<std::int32_t>().subspan(b * time, time);
    part.insert(part.end(), row.begin() + static_cast<std::ptrdiff_t>(begin),
                row.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return Tensor::from<std::int32_t>(part, {rows, end - begin});
}

// A cache and the function that reads on from it.
class Reader {
 public:
  Reader(const nn::Model& model, const Tensor& tokens, bool keyed)
      : model_(&model), tokens_(tokens), seam_(keyed) {}

  // Outputs for the columns up to `end`, [sequences * columns, vocab], from where it stood.
  Tensor read_on(const nn::Seam* behavior, std::size_t end) {
    seam_.set(behavior);
    const std::size_t begin = cache_.length();
    try {
      return pass(begin, end);
    } catch (const StaleReadError&) {
      refused_ = refused_ + 1;
    }
    cache_.clear();
    if (begin > 0) pass(0, begin);
    return pass(begin, end);
  }
  std::uint64_t refused() const { return refused_; }

 private:
  Tensor pass(std::size_t begin, std::size_t end) {
    Tape tape;
    nn::Run run(tape, {.seam = &seam_, .cache = &cache_});
    return model_->forward(run, tape.constant(columns(tokens_, begin, end))).value().compact();
  }

  const nn::Model* model_;
  Tensor tokens_;
  Switch seam_;
  nn::KvCache cache_;
  std::uint64_t refused_ = 0;
};

// KL at each of the columns [begin, end), mean over the sequences: from the function without a
// cache, whose outputs are of all columns.
std::vector<double> kl_by_position(const Tensor& all, const Tensor& seen, std::size_t sequences,
                                   std::size_t begin, std::size_t end) {
  const std::size_t time = all.shape()[0] / sequences, part = end - begin;
  std::vector<double> sums(part);
  for (std::size_t b = 0; b < sequences; ++b) {
    const rbl::Divergence kl = rbl::kl_divergence(
        rbl::log_probabilities(all.rows(b * time + begin, b * time + end).compact()),
        rbl::log_probabilities(seen.rows(b * part, (b + 1) * part).compact()));
    for (std::size_t i = 0; i < part; ++i) sums[i] = sums[i] + kl.per_input[i];
  }
  for (double& sum : sums) sum = sum / static_cast<double>(sequences);
  return sums;
}

void train(PhiUnit& unit, const Identity& identity, const Task& task, const Rng& stream,
           std::uint64_t steps) {
  const double lr = rate_of(identity, Mechanism::kAdam, unit.store());
  adapt(unit.ledger(), unit.store(), unit.function(), identity, task,
        course_of(identity, task, Mechanism::kAdam, lr, stream),
        {.score = std::nullopt, .most_steps = steps});
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  if (identity.probes.dtype() != Dtype::kI32) {
    throw UsageError(fmt::format("E17: {} reads no tokens and keeps no cache", identity.model));
  }
  const Rng stream = cell.rng().stream("e17");
  const std::uint64_t steps = cell.settings().count("steps");
  PhiUnit a(identity, stream.stream("a")), b(identity, stream.stream("b"));
  train(a, identity, identity.tasks.front(), stream.stream("train/a"), steps);
  train(b, identity, identity.tasks.back(), stream.stream("train/b"), steps);

  const std::size_t sequences =
      std::min<std::size_t>(cell.settings().count("sequences"), identity.probes.shape()[0]);
  const Tensor tokens = identity.probes.rows(0, sequences).compact();
  const std::size_t time = tokens.shape()[1], to_b = time * 3 / 8, to_none = time * 5 / 8;
  const Tensor of_b = nn::evaluate(b.function(), tokens).compact();
  const Tensor of_none = nn::evaluate(*identity.network, tokens).compact();

  Outcome outcome;
  for (const bool keyed : {true, false}) {
    Reader reader(*identity.network, tokens, keyed);
    reader.read_on(a.behavior().get(), to_b);
    const std::vector<double> in_b =
        kl_by_position(of_b, reader.read_on(b.behavior().get(), to_none), sequences, to_b, to_none);
    const std::vector<double> in_none =
        kl_by_position(of_none, reader.read_on(nullptr, time), sequences, to_none, time);
    const std::string name = keyed ? "keyed" : "unkeyed";
    const auto add = [&](const std::string& series, const char* variable, std::size_t at,
                         const char* quantity, double value) {
      outcome.points.push_back(cell.point(name + series, variable, static_cast<double>(at),
                                          quantity, value, identity.data));
    };
    for (std::size_t i = 0; i < in_b.size(); ++i) add(", A to B", "position", i, "kl", in_b[i]);
    for (std::size_t i = 0; i < in_none.size(); ++i) {
      add(", B to none", "position", i, "kl", in_none[i]);
    }
    add("", "", 0, "kl-max", std::max(std::ranges::max(in_b), std::ranges::max(in_none)));
    add("", "", 0, "refused", static_cast<double>(reader.refused()));
  }
  Row row = make_row(identity, {"E17", "adam"}, "phi", "R17",
                     look(identity, *identity.theta, a.function()),
                     look(identity, *identity.theta, *identity.network));
  row.steps = steps;
  row.bytes_behavior = a.store().bytes();
  outcome.rows.push_back(std::move(row));
  return outcome;
}

// A cache that knows whose it is must change nothing; one that does not must be seen to.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& p : points) {
    if (p.study != "E17" || p.quantity != "kl-max") continue;
    if ((p.series == "keyed") != (p.value == 0)) {
      return fmt::format("E17 {} seed {}: KL {:g}", p.series, p.seed, p.value);
    }
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally exact("keyed: KL = 0 at every position after every switch", "switches");
  Tally leaks("unkeyed: KL > 0 at some position after every switch", "switches");
  std::map<std::pair<std::string, std::uint64_t>, std::vector<double>> switches;
  for (const char* series : {"keyed, ", "unkeyed, "}) {
    for (const CurvePoint* curve : curves_like(evidence.curves, "E17", series, "kl")) {
      for (const Point* p : curve->points) {
        switches[{fmt::format("{} on {}", p->series, p->model), p->seed}].push_back(p->value);
      }
    }
  }
  for (const auto& [run, kl] : switches) {
    const double most = std::ranges::max(kl);
    const bool keyed = run.first.starts_with("keyed");
    const bool zero = std::ranges::all_of(kl, [](double x) { return x == 0; });
    (keyed ? exact : leaks)
        .add(keyed ? zero : most > 0, fmt::format("{}, seed {}", run.first, run.second),
             fmt::format("KL up to {:.3g}", most));
  }
  return {exact.judgement(), leaks.judgement()};
}

}  // namespace

extern const Study kCache = {
    "E17",
    "cache",
    "none: state outside of theta and phi",
    "does a behavior outlive its unload in the keys and values a model keeps",
    "keyed: exact if KL = 0 at every position on every seed; unkeyed: leaks if KL > 0 at some "
    "position after every switch on every seed",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
