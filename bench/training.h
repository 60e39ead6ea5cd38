// Our side of a training that is measured, and the same task for libtorch.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "bench/torch_peer.h"
#include "nn/gpt.h"
#include "nn/run.h"
#include "optim/adam.h"
#include "optim/optimizer.h"
#include "optim/sgd.h"
#include "tensor/ledger.h"

namespace palinode::bench {

enum class Descent : std::uint8_t { kSgd, kAdam };

// PyTorch's defaults: SGD 0.01, Adam 0.001.
inline double default_lr(Descent descent) { return descent == Descent::kSgd ? 1e-2 : 1e-3; }

// i32 [rows], each below `classes`.
inline Tensor random_labels(std::size_t rows, std::size_t classes) {
  const Rng rng = Rng(1).stream("labels");
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < rows; ++i) {
    labels.push_back(static_cast<std::int32_t>(rng.below(i, classes)));
  }
  return Tensor::from<std::int32_t>(labels, {rows});
}

// A model of type M, built as M(store, config), trained on one batch over and over. Records go to
// the file `path`, if there is one.
template <class M>
class Training {
 public:
  template <class Config>
  Training(const Config& config, Descent descent, Tensor x, Tensor y,
           Ledger::Level level = Ledger::Level::kDigest, const std::string& path = "")
      : ledger_(path.empty() ? Ledger(level) : Ledger(level, path)),
        theta_(ledger_.open("theta", Role::kIdentity)),
        model_(theta_, config),
        x_(std::move(x)),
        y_(std::move(y)) {
    ledger_.commit(model_.init(Rng(1).stream("init")));
    const Store& state = ledger_.open("state", Role::kOptimizer);
    if (descent == Descent::kSgd) {
      optimizer_ = std::make_unique<optim::Sgd>(state, theta_, optim::SgdConfig{});
    } else {
      optimizer_ = std::make_unique<optim::Adam>(state, theta_, optim::AdamConfig{});
    }
  }

  // Returns the loss before the step.
  double step() { return step(x_, y_, {}); }
  double step(const Tensor& x, const Tensor& y, const Tensor& weights) {
    const auto [loss, gradients] = pass(x, y, weights);
    ledger_.commit(optimizer_->propose(gradients));
    return loss;
  }

  const Store& theta() const { return theta_; }
  const M& model() const { return model_; }
  const Tensor& x() const { return x_; }
  const Tensor& y() const { return y_; }

 private:
  // The tape and all values on it are gone before the commit needs memory.
  std::pair<double, Gradients> pass(const Tensor& x, const Tensor& y, const Tensor& weights) const {
    Tape tape;
    nn::Run run(tape, {.mode = nn::Mode::kTrain});
    const Var logits = model_.forward(run, tape.constant(x));
    const Var loss = cross_entropy(logits, y, weights);
    return {loss.value().item(), backward(loss)};
  }

  Ledger ledger_;
  const Store& theta_;
  M model_;
  Tensor x_, y_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

inline nn::GptConfig gpt_config(const GptSize& size) {
  return {.vocab = size.vocab,
          .context = size.context,
          .layers = size.layers,
          .heads = size.heads,
          .width = size.width};
}

inline Tensor random_tokens(const GptSize& size, std::size_t batch) {
  return random_labels(batch * size.context, size.vocab).reshape({batch, size.context});
}

// For each token the one that follows it.
inline Tensor next_tokens(const GptSize& size, std::size_t batch) {
  const std::size_t n = batch * size.context;
  return random_labels(n + 1, size.vocab).rows(1, n + 1).copy();
}

// The store's present values under their names.
inline std::vector<TorchParameter> parameters_of(const Store& store) {
  std::vector<TorchParameter> all;
  for (const Entry& entry : store.entries()) {
    const auto extents = entry.value.shape().extents();
    all.push_back({entry.name, {extents.begin(), extents.end()}, entry.value.values<float>()});
  }
  return all;
}

}  // namespace palinode::bench
