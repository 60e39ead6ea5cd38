// Behaviors from files, attached to a trained model one over the other.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "experiments/command.h"
#include "experiments/train/model_io.h"
#include "experiments/train/task.h"
#include "rbl/attach.h"
#include "rbl/behavior_file.h"

namespace palinode::experiments {

// What the commands take: --behavior, again and again, and --force.
struct BehaviorOptions {
  std::vector<std::string> files;
  bool force = false;
};

void add_behavior_options(CLI::App& app, BehaviorOptions& options);

class BehaviorStack {
 public:
  // Loads the files into the model's ledger, each into a store of its own, and attaches them in
  // their order: a later one is given what the earlier ones return. The model outlives the stack.
  // Throws as load_behavior does.
  BehaviorStack(const train::TrainedModel& model, const BehaviorOptions& options);

  // The model itself if nothing is attached.
  const nn::Model& function() const;
  // Detaches the behavior attached last. Returns its place.
  std::size_t detach_last();

  const std::vector<rbl::LoadedBehavior>& units() const { return units_; }
  std::size_t attached() const { return attached_.size(); }
  // Rows that those that are loaded put before the tokens of each sequence.
  std::uint64_t prompt_rows() const;
  // "active      lora with 512 values, rhymes.safetensors", a line for each that is attached.
  std::string shown() const;
  std::string name(std::size_t place) const;  // "lora with 512 values, rhymes.safetensors"

 private:
  const train::TrainedModel* model_;
  std::vector<std::string> files_;
  std::vector<rbl::LoadedBehavior> units_;
  std::deque<rbl::Attached> attached_;
};

// The config with room for the rows before the tokens. Throws UsageError if none is left.
train::Config with_room(train::Config config, std::uint64_t prompt_rows);

// Throws UsageError if the task's examples are none for the model.
void check_fit(const train::TrainedModel& model, const train::Task& task);

// The first probes of the data's validation part, at most so many, with room for `prompt_rows`.
// Throws as with_room, check_fit and train::make_task do.
Tensor probes_of(const train::TrainedModel& model, std::uint64_t prompt_rows, std::size_t most);

// Throws UsageError for an output file that is there, unless it may be replaced.
void check_free(const std::string& out, bool overwrite);

}  // namespace palinode::experiments
