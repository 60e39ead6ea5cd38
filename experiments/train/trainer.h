// A training run in memory: stores, network, optimizer, ledger, and how far it has come.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "experiments/suite/peers.h"
#include "experiments/train/build.h"
#include "experiments/train/config.h"
#include "experiments/train/metrics.h"
#include "experiments/train/task.h"
#include "nn/network.h"
#include "optim/optimizer.h"
#include "tensor/ledger.h"

namespace palinode::experiments::train {

// Where a run stands. With the values of its stores and the ledger it is all that a run needs to go
// on: batches, masks and rates go by the number of the step.
struct Position {
  std::uint64_t step = 0;  // steps taken
  // The looks at the validation set: the last one, the one with the lowest loss, and how many there
  // have been since. Before the first look their losses are infinite.
  Evaluation last, best;
  std::uint64_t best_step = 0;
  std::uint64_t looks_since_best = 0;
};

// How many steps the config asks for.
std::uint64_t total_steps(const Config& config, const Task& task);

class Trainer {
 public:
  // Opens the stores theta, theta.buffers and optimizer. `ledger`, `task` and `peers` outlive the
  // trainer. With peers each process has a trainer of its own, and all take the same steps.
  Trainer(const Config& config, Task& task, Ledger& ledger, Peers* peers = nullptr);
  // Learns `phi` alone, of a function over a frozen identity; opens the store optimizer. The
  // function runs in `mode`: kEval where a pass of training would gather statistics.
  Trainer(const Config& config, Task& task, Ledger& ledger, const nn::Model& function,
          const Store& phi, nn::Mode mode);

  void init();  // first values of the network, through the door

  // One step of the optimizer: the mean gradient of `optimizer.accumulate` batches, clipped. Throws
  // NonFiniteError, and changes nothing, if the loss or a gradient is not finite, in every process
  // alike.
  StepMetrics step();

  // A look at the validation set, which counts for patience and for the best weights.
  Evaluation look();
  // No steps left, or no patience.
  bool finished() const;
  bool out_of_patience() const;

  const Position& position() const { return position_; }
  void set_position(const Position& position) { position_ = position; }
  std::uint64_t steps() const { return steps_; }
  // Those of the network it learns; phi's trainer has none of its own.
  const nn::Network& network() const { return *network_; }
  const Store& theta() const { return *learned_; }
  const Store& optimizer_state() const { return *state_; }
  std::uint64_t optimizer_steps() const { return optimizer_->steps(); }  // as its state says

 private:
  Var loss_of(nn::Run& run, const Labelled& batch) const;
  Proposal propose(StepMetrics& metrics);
  Rng masks_at(std::uint64_t number) const;

  const Config config_;
  Task* task_;
  Ledger* ledger_;
  Peers* peers_ = nullptr;
  const Store *learned_, *state_;
  std::uint64_t steps_;
  std::unique_ptr<nn::Network> network_;
  const nn::Model* function_;
  nn::Mode mode_ = nn::Mode::kTrain;
  std::unique_ptr<optim::Optimizer> optimizer_;
  Rng masks_;
  Position position_;
};

}  // namespace palinode::experiments::train
