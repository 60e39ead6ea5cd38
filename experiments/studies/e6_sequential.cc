// E6: several behaviors, one after the other. Theta learns tasks A, B, ... in turn and then has one
// of them taken out by subtracting what its training had added; or each task is a unit of its own
// over the frozen identity, one of which is detached and destroyed.
//
// What a removal should give is the model that never learned the task: the same sequence without
// it, trained on the same batches. RF is measured against that, D(without || with) before and after
// the removal, on the identity's probes and on the inputs of the tasks that remain.
//
// Paper: the section on forgetting; several behaviors at once were excluded there.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "experiments/studies/recast.h"
#include "experiments/studies/study.h"
#include "experiments/studies/trial.h"
#include "experiments/subjects/labelled_task.h"
#include "experiments/usage_error.h"
#include "rbl/diagnostics/forgetting.h"
#include "rbl/diagnostics/scratch.h"
#include "rbl/rollback/values.h"
#include "rbl/runtime.h"
#include "tensor/error.h"

namespace palinode::experiments {
namespace {

const std::vector<Knob> kKnobs = with_subjects(
    {"digits-mlp"}, {"digits-mlp"},
    {{"tasks", "lengths of the sequence, at most 5", Numbers{1, 2, 3}, Numbers{1, 2, 3, 4, 5}},
     {"all_orders", "up to this length every order is tried", 3.0, 4.0}});

constexpr std::size_t kMostTasks = 5;
using Sequence = std::vector<std::size_t>;

// Square images [n, side * side] under one of the eight symmetries of the square: `by` & 3 quarter
// turns, then mirrored if by >= 4.
Tensor turned(const Tensor& images, std::size_t by) {
  const std::size_t pixels = images.shape().last();
  const auto side = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(pixels))));
  if (images.shape().rank() != 2 || side * side != pixels) {
    throw ShapeError(
        fmt::format("E6: square images [n, side * side] are needed, not {}", images.describe()));
  }
  TensorBuilder out(images.shape(), Dtype::kF32);
  const Tensor in = images.compact();
  const std::span<const float> from = in.values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t r = i % pixels / side, c = i % side;
    for (std::size_t k = 0; k < by % 4; ++k) {
      const std::size_t old_r = r;
      r = c;
      c = side - 1 - old_r;
    }
    if (by >= 4) c = side - 1 - c;
    out.values<float>()[i / pixels * pixels + r * side + c] = from[i];
  }
  return std::move(out).build();
}

// Task k: images under symmetry k + 1, which no other task has, labels moved by 2k + 1.
Task make_task(const Identity& identity, std::size_t k) {
  const auto change = [&](const Labelled& examples) {
    const Labelled moved = with_labels_moved(examples, 2 * k + 1, identity.classes);
    return Labelled{turned(moved.x, k + 1), moved.y};
  };
  const Labelled& train = identity.original.train;
  return labelled_task(fmt::format("{}-{}", identity.original.name, static_cast<char>('a' + k)),
                       change(train.rows(0, train.size() / 2)), change(identity.original.held_out));
}

// KL before and after, added up over orders and removals: a share of the sums, not a mean of
// shares, some of which have next to nothing below the line.
struct Lost {
  double adapted = 0, left = 0;
  void add(double a, double b) {
    adapted = adapted + a;
    left = left + b;
  }
  double rf() const { return value_of(rbl::recoverability(adapted, left)); }
};

struct Removals {
  Lost identity, remaining;
  double score_lost = 0, equal = 0, removals = 0, with_others = 0;
};

class Theta {
 public:
  Theta(const Identity& identity, const std::vector<Task>& tasks)
      : identity_(&identity), tasks_(&tasks) {
    learned_[{}] = rbl::named_values(*identity.theta);
  }

  // Theta after it learned the tasks in this order.
  const std::vector<Entry>& after(const Sequence& sequence) {
    const auto found = learned_.find(sequence);
    if (found != learned_.end()) return found->second;
    const std::size_t last = sequence.back();
    Fork fork(*identity_, after({sequence.begin(), sequence.end() - 1}));
    const Task& task = tasks_->at(last);
    adapt(fork.ledger(), fork.theta(), fork.model(), *identity_, task, Mechanism::kAdam,
          identity_->rng.stream("e6/theta").stream(task.name));
    return learned_[sequence] = fork.values();
  }

  // What is left when the change that learning the task at `place` made is subtracted.
  std::vector<Entry> without(const Sequence& sequence, std::size_t place) {
    const auto at = static_cast<std::ptrdiff_t>(place);
    return minus(after(sequence), after({sequence.begin(), sequence.begin() + at}),
                 after({sequence.begin(), sequence.begin() + at + 1}));
  }
  // The same for all of them, last first.
  std::vector<Entry> without_all(const Sequence& sequence) {
    std::vector<Entry> now = after(sequence);
    for (auto end = sequence.end(); end != sequence.begin(); --end) {
      now = minus(now, after({sequence.begin(), end - 1}), after({sequence.begin(), end}));
    }
    return now;
  }

  void remove(const Sequence& sequence, std::size_t place, Removals& tally) {
    Sequence rest = sequence;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(place));
    const Fork never(*identity_, after(rest)), with(*identity_, after(sequence)),
        removed(*identity_, without(sequence, place));
    bool equal = true;
    const auto lose = [&](const Tensor& inputs, Lost& lost) {
      const auto outputs = [&](const Fork& fork) { return nn::evaluate(fork.model(), inputs); };
      const Tensor reference = outputs(never), now = outputs(removed);
      const Tensor log_p = rbl::log_probabilities(reference);
      lost.add(rbl::kl_divergence(log_p, rbl::log_probabilities(outputs(with))).mean,
               rbl::kl_divergence(log_p, rbl::log_probabilities(now)).mean);
      equal = equal && rbl::same_bits(reference, now);
    };
    lose(identity_->probes, tally.identity);
    for (const std::size_t other : rest) {
      const Labelled& examples = tasks_->at(other).held_out;
      lose(examples.x, tally.remaining);
      tally.score_lost =
          tally.score_lost + score(with.model(), examples) - score(removed.model(), examples);
      tally.with_others += 1;
    }
    tally.equal += equal ? 1 : 0;
    tally.removals += 1;
  }

  rbl::Forgetting forgetting(const Sequence& sequence) {
    rbl::ScoreMatrix scores(sequence.size());
    for (std::size_t stage = 0; stage < sequence.size(); ++stage) {
      const auto end = sequence.begin() + static_cast<std::ptrdiff_t>(stage) + 1;
      const Fork now(*identity_, after({sequence.begin(), end}));
      for (std::size_t task = 0; task < sequence.size(); ++task) {
        scores.record(stage, task, score(now.model(), tasks_->at(sequence[task]).held_out));
      }
    }
    return rbl::forgetting(scores);
  }

 private:
  static std::vector<Entry> minus(const std::vector<Entry>& now, const std::vector<Entry>& before,
                                  const std::vector<Entry>& after) {
    std::vector<Entry> result = now;
    for (std::size_t i = 0; i < now.size(); ++i) {
      const Tensor delta = rbl::zip(after[i].value, before[i].value, rbl::kMinus);
      result[i].value = rbl::zip(now[i].value, delta, rbl::kMinus);
    }
    return result;
  }

  const Identity* identity_;
  const std::vector<Task>* tasks_;
  std::map<Sequence, std::vector<Entry>> learned_;
};

// Units a, b, ... over the frozen identity, each learned alone, and used one at a time.
class Units {
 public:
  Units(const Identity& identity, const std::vector<Task>& tasks)
      : identity_(&identity),
        tasks_(&tasks),
        ledger_(identity.level),
        runtime_(ledger_, *identity.network) {
    for (const Task& task : tasks) {
      Ledger own(identity.level);
      const Store& phi = own.open("phi", Role::kBehavior);
      const auto unit = rbl::make_behavior(phi, *identity.network, lora_config());
      own.commit(unit->init(identity.rng.stream("e6/lora").stream(task.name)));
      const rbl::Attached function = rbl::attach(*identity.network, unit);
      adapt(own, phi, function, identity, task, Mechanism::kAdam,
            identity.rng.stream("e6/phi").stream(task.name));
      std::map<std::string, Tensor> values;
      for (const Entry& entry : phi.entries()) values[entry.name] = entry.value;
      values_.push_back(std::move(values));
    }
  }

  // All units of the sequence are attached; the one at `place` goes. Every other one has to answer
  // as before, and with none in use the identity.
  void remove(const Sequence& sequence, std::size_t place, Removals& tally) {
    const std::string round = fmt::format("{}.", rounds_++);
    for (const std::size_t task : sequence) {
      const std::string name = round + tasks_->at(task).name;
      runtime_.adopt(name, lora_config(), values_.at(task), {.identity = runtime_.identity()});
      runtime_.attach(name);
    }
    const std::string gone = round + tasks_->at(sequence[place]).name;
    const auto divergence = [&](const Tensor& logits) {
      return rbl::kl_divergence(identity_->seen.log_p, rbl::log_probabilities(logits)).mean;
    };
    const double adapted = divergence(nn::evaluate(*runtime_.select({gone}), identity_->probes));
    const auto outputs = [&] {
      std::vector<Tensor> all;
      for (const std::size_t task : sequence) {
        if (task == sequence[place]) continue;
        const auto function = runtime_.select({round + tasks_->at(task).name});
        all.push_back(nn::evaluate(*function, identity_->probes));
        all.push_back(nn::evaluate(*function, tasks_->at(task).held_out.x));
      }
      return all;
    };
    const std::vector<Tensor> before = outputs();
    runtime_.detach(gone);
    runtime_.destroy(gone, "removed", "E6");
    bool equal = rbl::same_bits(before, outputs());
    for (const std::size_t task : sequence) {
      if (task != sequence[place]) runtime_.detach(round + tasks_->at(task).name);
    }
    const Tensor plain = nn::evaluate(runtime_.function(), identity_->probes);
    equal = equal && rbl::same_bits(plain, identity_->seen.logits);
    tally.identity.add(adapted, divergence(plain));
    tally.equal += equal ? 1 : 0;
    tally.removals += 1;
  }

  // With the units of a sequence stacked, and then without any.
  Row row(const Sequence& sequence) {
    const std::string round = fmt::format("{}.", rounds_++);
    std::uint64_t bytes = 0;
    for (const std::size_t task : sequence) {
      const std::string name = round + tasks_->at(task).name;
      runtime_.adopt(name, lora_config(), values_.at(task), {.identity = runtime_.identity()});
      runtime_.attach(name);
      bytes += runtime_.roster()->at(name).phi().bytes();
    }
    const Stage adapted = look(*identity_, *identity_->theta, runtime_.function());
    for (const std::size_t task : sequence) runtime_.detach(round + tasks_->at(task).name);
    Row row = make_row(*identity_, {"E6", fmt::format("sequence-of-{}", sequence.size())}, "phi",
                       "R17", adapted, look(*identity_, *identity_->theta, runtime_.function()));
    row.bytes_behavior = bytes;
    return row;
  }

 private:
  const Identity* identity_;
  const std::vector<Task>* tasks_;
  Ledger ledger_;
  rbl::Runtime runtime_;
  std::vector<std::map<std::string, Tensor>> values_;
  std::size_t rounds_ = 0;
};

std::vector<Sequence> orders(std::size_t length, bool all) {
  Sequence sequence(length);
  std::iota(sequence.begin(), sequence.end(), 0);
  std::vector<Sequence> found = {sequence};
  while (all && std::ranges::next_permutation(sequence).found) found.push_back(sequence);
  return found;
}

Row theta_row(const Identity& identity, Theta& theta, const Sequence& sequence) {
  const Fork with(identity, theta.after(sequence)), back(identity, theta.without_all(sequence));
  Row row = make_row(identity, {"E6", fmt::format("sequence-of-{}", sequence.size())}, "theta",
                     "R3", look(identity, with.theta(), with.model()),
                     look(identity, back.theta(), back.model()));
  row.bytes_kept = sequence.size() * identity.theta->bytes();
  return row;
}

Outcome run(const Cell& cell) {
  const Identity& identity = cell.identity();
  std::vector<std::size_t> lengths;
  for (const double n : cell.settings().numbers("tasks")) {
    lengths.push_back(static_cast<std::size_t>(n));
    if (lengths.back() < 1 || lengths.back() > kMostTasks) {
      throw UsageError(fmt::format("E6: tasks has {}, 1 to {} are there", n, kMostTasks));
    }
  }
  std::vector<Task> tasks;
  for (std::size_t k = 0; k < std::ranges::max(lengths); ++k) {
    tasks.push_back(make_task(identity, k));
  }
  Theta theta(identity, tasks);
  Units units(identity, tasks);
  Outcome outcome;
  const auto add = [&](const char* series, const char* variable, std::size_t at,
                       const Removals& tally) {
    const auto point = [&](const char* quantity, double value) {
      outcome.points.push_back(
          cell.point(series, variable, static_cast<double>(at), quantity, value, identity.data));
    };
    point("rf-identity", tally.identity.rf());
    if (tally.with_others > 0) {
      point("rf-remaining", tally.remaining.rf());
      point("score-lost", tally.score_lost / tally.with_others);
    }
    point("equal-share", tally.equal / tally.removals);
  };
  const std::size_t longest = std::ranges::max(lengths);
  for (const std::size_t n : lengths) {
    Removals on_theta, on_phi;
    std::vector<Removals> by_later(n);
    double transfer = 0, forgotten = 0;
    const std::vector<Sequence> all = orders(n, n <= cell.settings().count("all_orders"));
    for (const Sequence& order : all) {
      for (std::size_t place = 0; place < n; ++place) {
        theta.remove(order, place, on_theta);
        theta.remove(order, place, by_later[n - 1 - place]);
        units.remove(order, place, on_phi);
      }
      if (n < 2) continue;
      const rbl::Forgetting lost = theta.forgetting(order);
      transfer = transfer + lost.backward_transfer / static_cast<double>(all.size());
      forgotten = forgotten + lost.forgetting / static_cast<double>(all.size());
    }
    add("theta subtract", "tasks", n, on_theta);
    add("phi unload", "tasks", n, on_phi);
    if (n >= 2) {
      const auto at = static_cast<double>(n);
      outcome.points.push_back(
          cell.point("theta", "tasks", at, "backward-transfer", transfer, identity.data));
      outcome.points.push_back(
          cell.point("theta", "tasks", at, "forgetting", forgotten, identity.data));
    }
    if (n == longest) {
      for (std::size_t later = 0; later < n; ++later) {
        add("theta subtract", "learned-later", later, by_later[later]);
      }
    }
    outcome.rows.push_back(theta_row(identity, theta, all.front()));
    outcome.rows.push_back(units.row(all.front()));
  }
  return outcome;
}

// Units know nothing of each other.
std::string fault(std::span<const Row> /*rows*/, std::span<const Point> points) {
  for (const Point& point : points) {
    if (point.study != "E6" || point.quantity != "equal-share") continue;
    if (point.series == "phi unload" && point.value != 1) {
      return fmt::format("E6 seed {}: of {:g} units one that was removed changed another",
                         point.seed, point.at);
    }
  }
  return "";
}

std::vector<Judgement> judge(const Evidence& evidence) {
  Tally units("every other unit and the identity answer with the bits of before",
              "runs and lengths");
  add_equal(units, curves_like(evidence.curves, "E6", "phi unload", "equal-share"), 1);
  Tally falls("RF of the remaining tasks falls from each length to the next (interference)",
              "steps");
  const CurvePoint* before = nullptr;
  for (const CurvePoint* now :
       curves_like(evidence.curves, "E6", "theta subtract", "rf-remaining")) {
    if (now->first().variable != "tasks") continue;
    if (before != nullptr && before->first().model == now->first().model) {
      falls.add(now->undefined + before->undefined > 0     ? Case::kUndecided
                : now->summary.mean < before->summary.mean ? Case::kHolds
                                                           : Case::kFails,
                fmt::format("{:g} to {:g} tasks", before->first().at, now->first().at),
                interval_of(before->summary) + " to " + interval_of(now->summary));
    }
    before = now;
  }
  return {units.judgement(), falls.judgement()};
}

}  // namespace

extern const Study kSequential = {
    "E6",
    "sequential",
    "the section on forgetting",
    "can one of several behaviors be taken out without touching the others",
    "phi: every other unit and the identity answer with the bits of before, on every seed; theta: "
    "interference if RF of the remaining falls from each length to the next in the mean over seeds",
    kKnobs,
    run,
    judge,
    fault};

}  // namespace palinode::experiments
