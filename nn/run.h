// Run: one forward pass. Carries what a pass needs besides the model and the input, so modules keep
// no state: what is attached, whether it trains, where its random numbers come from.
//
//   Tape tape;
//   const Rng masks = rng.stream("dropout").stream(step);
//   nn::Run run(tape, {.mode = nn::Mode::kTrain, .rng = &masks});
//   const Var loss = cross_entropy(model.forward(run, tape.constant(x)), labels);
//   Proposal proposal = optimizer.propose(backward(loss));
//   run.add_buffers(proposal);  // the statistics that BatchNorm has found
//   ledger.commit(proposal);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/pool.h"
#include "tensor/proposal.h"
#include "tensor/rng.h"
#include "tensor/store.h"

namespace palinode::nn {

class KvCache;
class Run;

// Keys and values [n, width of keys] for all sequences alike.
struct Prefix {
  Var keys, values;
};

// (factor * (x a)) b for the input x of a linear layer: a [in, rank], b [rank, out].
struct LowRankChange {
  Var a, b;
  double factor;
};

// Where a behavior may enter a pass. nn knows only this interface; rbl implements it. What a seam
// does not override it leaves as it is, so with nothing attached the plain model runs.
class Seam {
 public:
  virtual ~Seam() = default;
  // What a layer should read in place of a stored parameter.
  virtual Var parameter(Run& run, const Store& store, std::string_view name, Var stored) const;
  // What the layer named `site` should be given in place of `input`.
  virtual Var before(Run& run, std::string_view site, Var input) const;
  // What the layer named `site` should return, given its input and what it computed from it.
  virtual Var at(Run& run, std::string_view site, Var input, Var output) const;
  // The change, if `at` adds a low-rank one to the output of the layer `site` and does nothing
  // else. The layer then adds it in its own product, to the same bits, and does not call `at`.
  virtual std::optional<LowRankChange> low_rank(Run& run, std::string_view site) const;
  // Keys and values that every query of the attention named `site` sees before all others; they
  // have no position. None for a site without.
  virtual std::optional<Prefix> prefix(Run& run, std::string_view site) const;
  // Rows [n, width] to stand before the embedded tokens of each sequence, in positions of their
  // own. None for a seam without.
  virtual std::optional<Var> prompt(Run& run) const;
  // The store with the role buffer whose statistics the BatchNorm layer `site` should use, and in
  // train mode move, in place of its own. None to leave it its own.
  virtual const Store* buffers(std::string_view site) const;
  // A digest of all that the above depend on: kind, sites, settings, values. Of two seams with one
  // key each does what the other does; what was computed under another key must not be used again.
  virtual Sha256Digest key() const = 0;

 protected:
  Seam() = default;
  Seam(const Seam&) = default;
  Seam& operator=(const Seam&) = default;
  Seam(Seam&&) = default;
  Seam& operator=(Seam&&) = default;
};

// Whether a pass is a step of training: Dropout drops, and BatchNorm uses and gathers the batch's
// statistics. An argument of the pass, never a state of a module.
enum class Mode : std::uint8_t { kEval, kTrain };

struct RunConfig {
  const Seam* seam = nullptr;  // what is attached, if anything
  Mode mode = Mode::kEval;
  // Of the random numbers of this pass, each addressed by the name of its layer and its element.
  // Dropout throws NameError in train mode if there is none.
  const Rng* rng = nullptr;
  // Holds the keys and values of the tokens before x (kv_cache.h).
  KvCache* cache = nullptr;
  // Which of the equal parts of a batch x is, in their order. Dropout goes by the places of the
  // elements in the whole batch, so cutting it into parts changes no mask.
  std::size_t shard = 0;
};

// A value that a pass has found for a buffer.
struct BufferWrite {
  const Store* store;
  std::size_t entry;
  Tensor value;
};

// What RunConfig points to lives as long as the run, and as long as the tape if the model
// checkpoints.
class Run {
 public:
  // What a pass is made with, without its tape and what it has found: for running a part again.
  struct Settings {
    PoolVector<const Seam*> seams = {};  // innermost first
    Mode mode = Mode::kEval;
    const Rng* rng = nullptr;
    KvCache* cache = nullptr;
    std::size_t shard = 0;
  };

  explicit Run(Tape& tape, const Seam* seam = nullptr) : Run(tape, RunConfig{.seam = seam}) {}
  Run(Tape& tape, const RunConfig& config);
  // The same pass inside of one behavior more, which changes a layer's output before the others.
  Run(Run& outer, const Seam& inner);
  // A part of a pass, on the tape of its segment. It can't write buffers.
  static Run segment(Tape& tape, const Settings& settings) { return {settings, tape}; }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Tape& tape() { return *tape_; }
  bool training() const { return settings_.mode == Mode::kTrain; }
  const Rng* rng() const { return settings_.rng; }
  KvCache* cache() const { return settings_.cache; }
  std::size_t shard() const { return settings_.shard; }
  const Settings& settings() const { return settings_; }

  // What layers ask for on their way. The seams are asked innermost first, each given what the one
  // before returned; with nothing attached these add not one operation to the plain model.
  Var parameter(const Store& store, std::string_view name) {
    Var value = tape_->parameter(store, name);
    for (const Seam* seam : settings_.seams) value = seam->parameter(*this, store, name, value);
    return value;
  }
  Var before(std::string_view site, Var input) {
    for (const Seam* seam : settings_.seams) input = seam->before(*this, site, input);
    return input;
  }
  Var at(std::string_view site, Var input, Var output) {
    for (const Seam* seam : settings_.seams) output = seam->at(*this, site, input, output);
    return output;
  }
  // For a linear layer, which asks before its product: what the innermost seam adds to it. If there
  // is something, the layer asks the others by at_outside in place of at.
  std::optional<LowRankChange> low_rank(std::string_view site) {
    if (settings_.seams.empty()) return std::nullopt;
    return settings_.seams.front()->low_rank(*this, site);
  }
  Var at_outside(std::string_view site, Var input, Var output) {
    for (std::size_t i = 1; i < settings_.seams.size(); ++i) {
      output = settings_.seams[i]->at(*this, site, input, output);
    }
    return output;
  }
  // All that there are, one after the other.
  std::optional<Prefix> prefix(std::string_view site);
  std::optional<Var> prompt();

  // The buffers of a layer: its own, or those of the innermost behavior that has some for it.
  const Store& buffers(std::string_view site, const Store& own) const;

  // For a layer in train mode: the value its buffer should have after this step.
  void write_buffer(const Store& store, std::string_view name, Tensor value);
  // Those of the whole pass, in the order in which they were found.
  std::span<const BufferWrite> buffer_writes() const { return *found_; }
  // Adds them to the proposal of the step, so that they pass the door with it.
  void add_buffers(Proposal& proposal) const;

 private:
  Run(const Settings& settings, Tape& tape);

  Tape* tape_;
  Settings settings_;
  PoolVector<BufferWrite> own_;
  PoolVector<BufferWrite>* found_ = &own_;  // the outer run's, if there is one
  bool segment_ = false;
};

// A function of one input batch: x [rows, in] -> [rows, out], unless the model says otherwise.
class Model {
 public:
  virtual ~Model() = default;
  virtual Var forward(Run& run, Var x) const = 0;

 protected:
  Model() = default;
  Model(const Model&) = default;
  Model& operator=(const Model&) = default;
  Model(Model&&) = default;
  Model& operator=(Model&&) = default;
};

// The model's outputs for a batch in eval mode, with no tape kept.
Tensor evaluate(const Model& model, const Tensor& x);

}  // namespace palinode::nn
