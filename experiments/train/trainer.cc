#include "experiments/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "autograd/ops.h"
#include "experiments/train/shards.h"
#include "optim/clip.h"
#include "tensor/error.h"

namespace palinode::experiments::train {
namespace {

std::unique_ptr<nn::Network> make_network(const Config& config, const Task& task,
                                          const Store& theta, const Store& buffers) {
  try {
    return nn::make_network(model_config(config, task.example, task.classes), theta, &buffers);
  } catch (const ShapeError& error) {
    throw ConfigError(fmt::format("model: {}", error.what()));
  }
}

}  // namespace

std::uint64_t total_steps(const Config& config, const Task& task) {
  if (config.train.steps > 0) return config.train.steps;
  return std::max<std::uint64_t>(
      1, config.train.epochs * task.batches->per_epoch() / config.optimizer.accumulate);
}

Trainer::Trainer(const Config& config, Task& task, Ledger& ledger, Peers* peers)
    : config_(config),
      task_(&task),
      ledger_(&ledger),
      peers_(peers),
      learned_(&ledger.open("theta", Role::kIdentity)),
      steps_(total_steps(config, task)),
      masks_(Rng(config.seed).stream("dropout")) {
  const Store& buffers = ledger.open("theta.buffers", Role::kBuffer);
  state_ = &ledger.open("optimizer", Role::kOptimizer);
  network_ = make_network(config, task, *learned_, buffers);
  function_ = network_.get();
  optimizer_ = make_optimizer(config.optimizer, steps_, *state_, *learned_);
}

Trainer::Trainer(const Config& config, Task& task, Ledger& ledger, const nn::Model& function,
                 const Store& phi, nn::Mode mode)
    : config_(config),
      task_(&task),
      ledger_(&ledger),
      learned_(&phi),
      state_(&ledger.open("optimizer", Role::kOptimizer)),
      steps_(total_steps(config, task)),
      function_(&function),
      mode_(mode),
      optimizer_(make_optimizer(config.optimizer, steps_, *state_, phi)),
      masks_(Rng(config.seed).stream("dropout")) {}

void Trainer::init() { ledger_->commit(network_->init(Rng(config_.seed).stream("init"))); }

// The loss of a batch or of a shard of it, recorded for its gradient.
Var Trainer::loss_of(nn::Run& run, const Labelled& batch) const {
  return cross_entropy(function_->forward(run, run.tape().constant(batch.x)), batch.y);
}

// A step that takes several batches has a number for each; its masks go by that number too.
Proposal Trainer::propose(StepMetrics& metrics) {
  const std::uint64_t count = config_.optimizer.accumulate, shards = config_.train.shards;
  ShardSum sum(shards, peers_);
  Rng masks = masks_;
  std::optional<Tape> tape;
  std::optional<nn::Run> run;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t number = position_.step * count + i;
    const Labelled batch = task_->batches->at(number);
    masks = masks_at(number);
    for (std::size_t shard = sum.first(); shard < shards; shard += sum.stride()) {
      run.reset();
      tape.emplace();
      run.emplace(*tape, nn::RunConfig{.mode = mode_, .rng = &masks, .shard = shard});
      const Var loss = loss_of(*run, shard_of(batch, shard, shards));
      sum.add(loss.value().item(), backward(loss));
    }
    sum.finish_batch();
  }
  metrics.loss = sum.mean_loss();
  if (!std::isfinite(metrics.loss)) {
    throw NonFiniteError(
        fmt::format("train: the loss of step {} is {}", position_.step + 1, metrics.loss));
  }
  const Gradients gradients = sum.mean();
  metrics.grad_norm = optim::global_norm(gradients, *learned_);
  metrics.lr = optimizer_->lr();
  const OptimizerConfig& settings = config_.optimizer;
  optim::StepOptions options;
  if (settings.clip_norm > 0) {
    options.scale = optim::clip_factor(metrics.grad_norm, settings.clip_norm);
  }
  if (settings.clip_value > 0) options.clip_value = settings.clip_value;
  Proposal proposal = optimizer_->propose(gradients, options);
  proposal.seed = config_.seed;
  // Statistics that a batch normalization gathers are those of the last batch.
  run->add_buffers(proposal);
  return proposal;
}

// A stream's name is made anew for each batch; only dropout asks for it.
Rng Trainer::masks_at(std::uint64_t number) const {
  return config_.model.dropout > 0 ? masks_.stream(number) : masks_;
}

StepMetrics Trainer::step() {
  const auto start = std::chrono::steady_clock::now();
  StepMetrics metrics{.step = position_.step + 1};
  ledger_->commit(propose(metrics));
  ++position_.step;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const std::uint64_t items = config_.train.batch * config_.optimizer.accumulate *
                              (config_.language_model() ? config_.train.context : 1);
  metrics.ms = 1e3 * seconds.count();
  metrics.per_second = static_cast<double>(items) / seconds.count();
  return metrics;
}

Evaluation Trainer::look() {
  position_.last = evaluate(*function_, task_->validation);
  if (position_.last.loss < position_.best.loss) {
    position_.best = position_.last;
    position_.best_step = position_.step;
    position_.looks_since_best = 0;
  } else {
    ++position_.looks_since_best;
  }
  return position_.last;
}

bool Trainer::out_of_patience() const {
  return config_.train.patience > 0 && position_.looks_since_best >= config_.train.patience;
}

bool Trainer::finished() const { return position_.step >= steps_ || out_of_patience(); }

}  // namespace palinode::experiments::train
