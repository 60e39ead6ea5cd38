#include "experiments/train/take_back.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "experiments/train/loop.h"
#include "experiments/train/model_io.h"
#include "experiments/train/position.h"
#include "experiments/train/trainer.h"
#include "tensor/checkpoint.h"
#include "tensor/error.h"
#include "tensor/ledger_replay.h"
#include "tensor/undo.h"

namespace palinode::experiments::train {
namespace {

namespace fs = std::filesystem;

void copy(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::none, error);
  if (error) throw EnvironmentError(fmt::format("{}: {}", to, error.message()));
}

// Where the run stood after `step` steps, from what its metrics say of the looks until then.
Position position_after(std::uint64_t step, const RunFolder& folder, const HeldOut& validation) {
  Position position;
  position.step = step;
  std::ifstream file(folder.metrics(), std::ios::binary);
  std::string line;
  for (std::uint64_t number = 1; number <= step; ++number) {
    const auto json =
        std::getline(file, line) ? nlohmann::json::parse(line, nullptr, false) : nlohmann::json();
    if (!json.is_object() || !json.contains("step") || json["step"] != number) {
      throw FormatError(fmt::format("{} line {}: expected the metrics of step {}", folder.metrics(),
                                    number, number));
    }
    if (!json.contains("validation_loss")) continue;
    position.last = {.loss = json.value("validation_loss", 0.0),
                     .accuracy = json.value("validation_accuracy", 0.0),
                     .labels = validation.set.y.elements(),
                     .bytes = validation.bytes};
    if (position.last.loss < position.best.loss) {
      position.best = position.last;
      position.best_step = number;
      position.looks_since_best = 0;
    } else {
      ++position.looks_since_best;
    }
  }
  return position;
}

// The last record, up to `seq`, of the commit that was the optimizer's step number `step`; that of
// the network's first values if `step` is 0.
std::uint64_t record_of_step(const RunFolder& folder, std::uint64_t step, std::uint64_t seq) {
  std::optional<std::uint64_t> found;
  LedgerReader reader(folder.ledger());
  while (reader.records() <= seq && reader.next()) {
    const Record record = reader.record();
    if (record.kind != Record::Kind::kWrite || record.step != step || record.reason == "undo") {
      continue;
    }
    if ((record.reason == "init") == (step == 0)) found = record.journal.value().last;
  }
  reader.require_no_fault();
  if (!found) {
    throw FormatError(
        fmt::format("{}: it has no record of step {} up to {}", folder.ledger(), step, seq));
  }
  return *found;
}

// The network as it was after `step` steps.
void write_model_of(std::uint64_t step, const Config& config, Task& task, const RunFolder& folder,
                    std::uint64_t seq) {
  Ledger ledger(replay_ledger(folder.ledger(), record_of_step(folder, step, seq)));
  const Trainer trainer(config, task, ledger);
  save_model(folder.model(), trainer.network(), config, task.tokenizer);
}

// The files of a run that is being made; they go again if it does not come about.
class NewRun {
 public:
  explicit NewRun(const RunFolder& folder) : folder_(folder) {
    std::error_code error;
    fs::create_directories(folder.path(), error);
    if (error) throw EnvironmentError(fmt::format("{}: {}", folder.path(), error.message()));
  }
  ~NewRun() {
    if (finished_) return;
    std::error_code ignored;
    for (const std::string& file : {folder_.metrics(), folder_.ledger(), folder_.journal(),
                                    folder_.model(), folder_.checkpoint(), folder_.config()}) {
      fs::remove(file, ignored);
    }
  }
  NewRun(const NewRun&) = delete;
  NewRun& operator=(const NewRun&) = delete;
  void finish() { finished_ = true; }

 private:
  RunFolder folder_;
  bool finished_ = false;
};

}  // namespace

TakenBack take_back(const RunFolder& from, const RunFolder& to, std::uint64_t seq) {
  const Config config = from.read_config();
  const Checkpoint end = load_checkpoint(from.checkpoint());
  const auto settings = end.notes.find("settings");
  if (settings == end.notes.end()) {
    throw FormatError(fmt::format("{}: is not a checkpoint of a run", from.checkpoint()));
  }
  Task task = prepare(config);
  NewRun made(to);
  copy(from.ledger(), to.ledger());
  if (end.level == Ledger::Level::kJournal) copy(from.journal(), to.journal());
  copy(from.metrics(), to.metrics());
  Ledger ledger(end, to.ledger());
  const Trainer trainer(config, task, ledger);
  const Proposal proposal = undo(ledger, seq);
  ledger.commit(proposal);
  if (trainer.theta().entries().size() != end.at("theta").entries.size()) {
    throw Error(fmt::format("undo: at record {} there was no network yet", seq));
  }
  const std::uint64_t step = trainer.optimizer_steps();
  const Position position = position_after(step, to, task.validation);
  if (config.train.keep == "last") {
    save_model(to.model(), trainer.network(), config, task.tokenizer);
  } else if (position.best_step > 0) {
    write_model_of(position.best_step, config, task, to, seq);
  }
  Notes notes = notes_of(position);
  notes.insert(*settings);
  save_checkpoint(to.checkpoint(), ledger, std::move(notes));
  copy(from.config(), to.config());
  made.finish();
  return {.step = step,
          .written = proposal.writes.size(),
          .removed = proposal.removals.size(),
          .records = ledger.sequence(),
          .head = ledger.head()};
}

}  // namespace palinode::experiments::train
