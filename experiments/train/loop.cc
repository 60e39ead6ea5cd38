#include "experiments/train/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "experiments/train/interrupt.h"
#include "experiments/train/model_io.h"
#include "experiments/train/position.h"
#include "experiments/train/trainer.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger.h"

namespace palinode::experiments::train {
namespace {

std::optional<Checkpoint> last_checkpoint(const RunFolder& folder) {
  if (!folder.holds_checkpoint()) return std::nullopt;
  return load_checkpoint(folder.checkpoint());
}

// All that decides the bits of a run; where its data lies does not.
std::string settings_of(Config config) {
  config.data.dir.clear();
  return to_toml(config);
}

// Settings that were edited since would make another run out of this one without a word.
void check_settings(const Config& config, const RunFolder& folder, const Checkpoint& from) {
  const auto kept = from.notes.find("settings");
  if (kept != from.notes.end() && kept->second == settings_of(config)) return;
  throw FormatError(
      fmt::format("{}: was not taken with the settings of {}; a run keeps its settings",
                  folder.checkpoint(), folder.config()));
}

// Whether this process is the one that writes into the folder.
bool writes(const LoopOptions& options) {
  return options.peers == nullptr || options.peers->rank() == 0;
}

std::unique_ptr<Ledger> open_ledger(const Config& config, const RunFolder& folder,
                                    const std::optional<Checkpoint>& from, bool on_disk) {
  if (!on_disk) {
    if (from) return std::make_unique<Ledger>(*from);
    return std::make_unique<Ledger>(level_named(config.ledger).value());
  }
  if (from) return std::make_unique<Ledger>(*from, folder.ledger());
  return std::make_unique<Ledger>(level_named(config.ledger).value(), folder.ledger());
}

Position start_of(const RunFolder& folder, const std::optional<Checkpoint>& from) {
  return from ? position_of(from->notes, folder.checkpoint()) : Position{};
}

// One process's part of a run.
class Session {
 public:
  Session(const Config& config, const RunFolder& folder, const LoopOptions& options,
          const std::optional<Checkpoint>& from, Task task)
      : config_(config),
        folder_(folder),
        options_(options),
        task_(std::move(task)),
        ledger_(open_ledger(config, folder, from, writes(options))),
        trainer_(config, task_, *ledger_, options.peers),
        lines_(trainer_.steps(), task_.unit, options.quiet || !writes(options), options.color) {
    const Position start = start_of(folder, from);
    if (writes(options)) metrics_.emplace(folder.metrics(), task_.unit, start.step);
    if (from) {
      trainer_.set_position(start);
      lines_.note(fmt::format("resumed after step {}", trainer_.position().step));
    } else {
      trainer_.init();
    }
    describe();
  }

  // Returns the signal that ended it, or 0.
  int run() {
    const Interrupt interrupt;
    check_same_state();
    int signal = 0;
    while (!trainer_.finished()) {
      signal = signal_to_any(interrupt);
      if (stopped_by(signal)) break;
      StepMetrics metrics = trainer_.step();
      const std::uint64_t step = metrics.step;
      if (due(step, config_.train.eval_every)) metrics.validation = trainer_.look();
      if (metrics_) metrics_->append(metrics);
      lines_.show(metrics);
      if (metrics.validation) keep_best();
      if (!trainer_.finished() && due(step, config_.train.checkpoint_every)) save();
    }
    save();
    return signal;
  }

  RunResult result(int signal) const {
    const Position& position = trainer_.position();
    const bool best = config_.train.keep == "best";
    RunResult result{.step = position.step,
                     .steps = trainer_.steps(),
                     .early = trainer_.out_of_patience(),
                     .signal = signal,
                     .stopped = !trainer_.finished(),
                     .kept_step = best ? position.best_step : position.step,
                     .kept = config_.train.keep,
                     .validation = best ? position.best : position.last,
                     .test = {},
                     .fingerprint = fingerprint(trainer_.theta()),
                     .records = ledger_->sequence(),
                     .head = ledger_->head()};
    if (result.stopped || !writes(options_)) return result;
    const TrainedModel model = load_trained(folder_.model());
    result.model = fingerprint(model.network->store());
    if (!task_.test.empty()) result.test = evaluate(*model.network, task_.test);
    return result;
  }

 private:
  bool due(std::uint64_t step, std::uint64_t every) const {
    return step == trainer_.steps() || (every > 0 && step % every == 0);
  }

  bool stopped_by(int signal) const {
    const std::uint64_t step = trainer_.position().step;
    return signal != 0 || (options_.stop_after > 0 && step >= options_.stop_after);
  }

  bool alone() const { return options_.peers == nullptr || options_.peers->size() == 1; }

  // A signal may reach one process a step before the others; they stop together all the same.
  int signal_to_any(const Interrupt& interrupt) const {
    int signal = interrupt.signal();
    if (alone()) return signal;
    const std::string mine = signal == 0 ? "" : std::to_string(signal);
    for (const std::string& of_one : options_.peers->exchange(mine)) {
      if (!of_one.empty()) signal = std::max(signal, std::stoi(of_one));
    }
    return signal;
  }

  // Another program, other data or a folder that is not shared would go unseen otherwise.
  void check_same_state() const {
    if (alone()) return;
    const std::string mine = fmt::format("{} {} {}", trainer_.position().step,
                                         hex(fingerprint(trainer_.theta())), hex(ledger_->head()));
    const std::vector<std::string> all = options_.peers->exchange(mine);
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
      if (all[rank] == all[0]) continue;
      throw EnvironmentError(
          fmt::format("train: step, weights and ledger of process {} are {}, those of process 0 "
                      "are {}; do all run the same program on the same data and folder?",
                      rank, all[rank], all[0]));
    }
  }

  void describe() const {
    lines_.note(
        fmt::format("{} with {} parameters on {}, {} for {} steps, {} labels for validation",
                    config_.model.kind, trainer_.theta().elements(), config_.data.name,
                    config_.optimizer.kind, trainer_.steps(), task_.validation.set.y.elements()));
  }

  void write_model() const {
    if (writes(options_)) save_model(folder_.model(), trainer_.network(), config_, task_.tokenizer);
  }

  void keep_best() const {
    const Position& position = trainer_.position();
    if (config_.train.keep == "best" && position.best_step == position.step) write_model();
  }

  // Ledger and metrics reach the disk before the checkpoint that counts on them.
  void save() {
    check_same_state();
    if (!writes(options_)) return;
    if (config_.train.keep == "last") write_model();
    ledger_->sync();
    metrics_->flush_to_disk();
    Notes notes = notes_of(trainer_.position());
    notes["settings"] = settings_of(config_);
    save_checkpoint(folder_.checkpoint(), checkpoint_of(*ledger_, std::move(notes)));
  }

  Config config_;
  RunFolder folder_;
  LoopOptions options_;
  Task task_;
  std::unique_ptr<Ledger> ledger_;
  Trainer trainer_;
  std::optional<MetricsFile> metrics_;  // of the process that writes
  StepLines lines_;
};

}  // namespace

Task prepare(const Config& config) {
  Task task = make_task(config);
  Ledger ledger(Ledger::Level::kOff);
  const Trainer trainer(config, task, ledger);
  return task;
}

RunResult run_loop(const Config& config, const RunFolder& folder, const LoopOptions& options,
                   Task task) {
  const std::optional<Checkpoint> from = last_checkpoint(folder);
  if (from) check_settings(config, folder, *from);
  Session session(config, folder, options, from, std::move(task));
  const int signal = session.run();
  return session.result(signal);
}

}  // namespace palinode::experiments::train
