// A run from its first step, or its last checkpoint, to its end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "experiments/suite/peers.h"
#include "experiments/train/config.h"
#include "experiments/train/metrics.h"
#include "experiments/train/run_folder.h"
#include "experiments/train/task.h"
#include "tensor/digest.h"

namespace palinode::experiments::train {

struct LoopOptions {
  bool quiet = false;
  bool color = false;
  // Stops, as for a signal, when so many steps have been taken (0: does not); for tests.
  std::uint64_t stop_after = 0;
  // The processes that share the run, or none: this one alone. Every one calls run_loop with the
  // same settings; only the first writes into the folder and shows lines.
  Peers* peers = nullptr;
};

struct RunResult {
  std::uint64_t step = 0, steps = 0;  // taken, and asked for
  bool early = false;                 // ran out of patience
  int signal = 0;                     // that ended it before its time, or 0
  bool stopped = false;               // by a signal or by stop_after
  std::uint64_t kept_step = 0;        // whose weights model.safetensors holds
  std::string kept;                   // "last" or "best"
  Evaluation validation;              // of those weights
  std::optional<Evaluation> test;     // of those weights
  Sha256Digest fingerprint{};         // of the weights at the last step
  Sha256Digest model{};               // of those in model.safetensors
  std::uint64_t records = 0;          // of the ledger
  Sha256Digest head{};
};

// What the run learns. Throws what is wrong with the config, its data and its model taken together;
// asked before a folder is touched, a mistake costs no run that is in it.
Task prepare(const Config& config);

// Goes on from the folder's checkpoint if it has one, otherwise begins; the folder holds a run of
// this config, and `task` is what prepare() gave for it. Whatever step it is killed at, the run
// that goes on writes the same metrics (but for times), the same ledger and the same weights as one
// that was never stopped.
//
// Several processes take the same steps, each with stores and a ledger of its own, and stop after
// the same one. Before the first step and before each checkpoint they compare their states; throws
// EnvironmentError if they differ. A process that throws leaves the others waiting: its caller
// aborts them. The results of all but the first have no model.
//
// A step of one process makes no heap allocation of its own; a line of metrics reuses its buffer.
// Looks at the validation set, checkpoints, and the first step of an epoch may allocate.
RunResult run_loop(const Config& config, const RunFolder& folder, const LoopOptions& options,
                   Task task);

}  // namespace palinode::experiments::train
