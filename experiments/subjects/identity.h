// Identity: what a study works on. A trained and frozen model with the data it knows, tasks it can
// be adapted to, and the inputs on which it is observed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/data_sets/labelled.h"
#include "nn/network.h"
#include "rbl/course.h"
#include "rbl/observe.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::experiments {

// How an adaptation changes weights.
enum class Mechanism : std::uint8_t { kSgd, kMomentum, kAdam, kAdamW, kPolicyGradient };
std::string_view mechanism_name(Mechanism mechanism);  // "sgd", ..., "policy-gradient"
// Throws UsageError listing them.
Mechanism mechanism_named(std::string_view name);

using BatchAt = std::function<Labelled(std::uint64_t t)>;  // from any thread, the same for all

// Something to be learned: batches to learn it from, and examples to be judged by. Of a language
// model x is i32 [n, context] and y has a label for each token.
struct Task {
  std::string name;  // "digits", "digits-shifted"
  // Batch t of a course whose randomness is the stream.
  std::function<BatchAt(const Rng& stream, std::size_t size)> batches;
  Labelled train;     // by whose score an adaptation decides that it is done
  Labelled held_out;  // of the same kind, never trained on
};

// Share of labels that the function's most likely class is.
double score(const nn::Model& function, const Labelled& examples);

// Cross-entropy on the task's batches.
rbl::Loss task_loss(const Task& task, const Rng& stream, std::size_t batch);

// How a mechanism trains this model. A behavior has fewer numbers to move and takes larger steps.
struct Recipe {
  double lr_theta = 0, lr_phi = 0;
  std::size_t batch = 32;
};

struct ProbeSet {
  std::string name;  // "in-distribution", "held-out", "adaptation", "random"
  Tensor probes;
};

struct Identity {
  Rng rng = Rng(0);         // of the seed
  Ledger::Level level{};    // of the ledgers of the trials
  std::string model, data;  // as in rows
  std::size_t classes = 0;
  std::size_t room = 0;  // places of a language model's context that its sequences leave free

  std::unique_ptr<Ledger> ledger;  // holds theta; frozen
  const Store* theta = nullptr;
  std::unique_ptr<const nn::Network> network;
  // The same network over another store with the same names.
  std::function<std::unique_ptr<nn::Network>(const Store& theta)> build;

  Task original;
  std::vector<Task> tasks;  // to adapt to; the first is the usual one
  const Task& shifted() const { return tasks.front(); }

  // How theta was trained; none (no loss) for one that came from a file.
  std::function<Proposal(const Store& theta)> init;
  rbl::Course pretraining;

  std::map<Mechanism, Recipe> recipes;
  double target = 0.95;             // an adaptation is done at this score on its training examples,
  std::uint64_t check_every = 20;   // looked at every so many steps,
  std::uint64_t most_steps = 4000;  // or after this many
  std::uint64_t back_steps = 200;   // budget of the rollbacks that train
  double back_lr = 1e-3;            // with Adam
  std::size_t back_batch = 32;

  Tensor probes;  // half of them training inputs, half held out
  std::vector<ProbeSet> probe_sets;
  rbl::Observation seen;                        // f0 on the probes
  double task_metric = 0, identity_metric = 0;  // of f0, held out: on shifted(), on original
};

// Freezes theta and takes f0's measure. Everything but `seen` and the two metrics is filled in.
void finish(Identity& identity);

}  // namespace palinode::experiments
