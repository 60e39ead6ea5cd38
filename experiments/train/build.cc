#include "experiments/train/build.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "nn/mlp.h"
#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"

namespace palinode::experiments::train {
namespace {

nn::Activation activation(const std::string& name) {
  return name == "tanh"   ? nn::Activation::kTanh
         : name == "gelu" ? nn::Activation::kGelu
                          : nn::Activation::kRelu;
}

nn::MlpConfig mlp(const ModelConfig& model, const Signature& signature) {
  std::vector<std::size_t> sizes = {signature.example.elements()};
  sizes.insert(sizes.end(), model.hidden.begin(), model.hidden.end());
  sizes.push_back(signature.classes);
  return {.sizes = std::move(sizes), .activation = activation(model.activation)};
}

optim::Schedule schedule(const OptimizerConfig& config, std::uint64_t steps) {
  if (config.warmup >= steps) {
    throw ConfigError(fmt::format("optimizer.warmup: expected fewer than the {} steps, got {}",
                                  steps, config.warmup));
  }
  const bool cosine = config.schedule == "cosine";
  return optim::ScheduleConfig{.peak = config.lr,
                               .warmup = config.warmup,
                               .steps = cosine ? steps : 0,
                               .floor = cosine ? config.min_lr : 0};
}

}  // namespace

std::unique_ptr<nn::Network> make_network(const Config& config, const Signature& signature,
                                          const Store& theta, const Store& buffers) {
  static_cast<void>(buffers);
  const ModelConfig& model = config.model;
  if (model.kind == "mlp") return std::make_unique<nn::Mlp>(theta, mlp(model, signature));
  throw ConfigError(fmt::format("model.kind: {} is not built yet", model.kind));
}

std::unique_ptr<optim::Optimizer> make_optimizer(const OptimizerConfig& config, std::uint64_t steps,
                                                 const Store& state, const Store& theta) {
  const optim::Schedule lr = schedule(config, steps);
  if (config.kind == "sgd") {
    return std::make_unique<optim::Sgd>(state, theta,
                                        optim::SgdConfig{.lr = lr,
                                                         .momentum = config.momentum,
                                                         .weight_decay = config.weight_decay,
                                                         .nesterov = config.nesterov});
  }
  if (config.kind == "rmsprop") {
    return std::make_unique<optim::RmsProp>(
        state, theta,
        optim::RmsPropConfig{.lr = lr,
                             .alpha = config.alpha,
                             .eps = config.eps,
                             .momentum = config.momentum,
                             .weight_decay = config.weight_decay,
                             .centered = config.centered});
  }
  const optim::AdamConfig adam{
      .lr = lr, .beta1 = config.betas[0], .beta2 = config.betas[1], .eps = config.eps};
  if (config.kind == "adam") return std::make_unique<optim::Adam>(state, theta, adam);
  return std::make_unique<optim::AdamW>(state, theta,
                                        optim::AdamWConfig{adam, config.weight_decay});
}

Ledger::Level ledger_level(const std::string& name) {
  return name == "off"       ? Ledger::Level::kOff
         : name == "summary" ? Ledger::Level::kSummary
                             : Ledger::Level::kDigest;
}

}  // namespace palinode::experiments::train
