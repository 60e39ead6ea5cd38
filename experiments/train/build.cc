#include "experiments/train/build.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "optim/adam.h"
#include "optim/rmsprop.h"
#include "optim/sgd.h"

namespace palinode::experiments::train {
namespace {

Precision precision(const ModelConfig& model) {
  return model.precision == "fast" ? Precision::kFast : Precision::kRounded;
}

nn::Activation activation(const std::string& name) {
  for (const auto each : {nn::Activation::kTanh, nn::Activation::kGelu, nn::Activation::kSigmoid,
                          nn::Activation::kSilu}) {
    if (nn::name_of(each) == name) return each;
  }
  return nn::Activation::kRelu;
}

nn::MlpConfig mlp(const ModelConfig& model, const Shape& example, std::size_t classes) {
  std::vector<std::size_t> sizes = {example.elements()};
  sizes.insert(sizes.end(), model.hidden.begin(), model.hidden.end());
  sizes.push_back(classes);
  return {.sizes = std::move(sizes),
          .activation = activation(model.activation),
          .precision = precision(model),
          .batch_norm = model.batch_norm};
}

nn::CnnConfig cnn(const ModelConfig& model, const Shape& example, std::size_t classes) {
  if (model.channels.size() != model.pool.size()) {
    throw ConfigError(
        fmt::format("model.pool: expected {} numbers, one for each of model.channels, "
                    "got {}",
                    model.channels.size(), model.pool.size()));
  }
  nn::CnnConfig config{.height = example[0],
                       .width = example[1],
                       .channels = example[2],
                       .blocks = {},
                       .hidden = {model.hidden.begin(), model.hidden.end()},
                       .classes = classes,
                       .batch_norm = model.batch_norm,
                       .dropout = model.dropout};
  for (std::size_t i = 0; i < model.channels.size(); ++i) {
    config.blocks.push_back(
        {.channels = model.channels[i], .kernel = model.kernel, .pool = model.pool[i]});
  }
  return config;
}

nn::GptConfig gpt(const Config& config, std::size_t vocab) {
  const ModelConfig& model = config.model;
  return {.vocab = vocab,
          .context = config.train.context,
          .layers = model.layers,
          .heads = model.heads,
          .width = model.width,
          .tied = model.tied,
          .dropout = model.dropout,
          .checkpointing = model.checkpointing,
          .precision = precision(model)};
}

nn::LlamaConfig llama(const Config& config, std::size_t vocab) {
  const ModelConfig& model = config.model;
  return {.vocab = vocab,
          .context = config.train.context,
          .layers = model.layers,
          .heads = model.heads,
          .kv_heads = model.kv_heads,
          .width = model.width,
          .hidden = model.ffn,
          .tied = model.tied,
          .checkpointing = model.checkpointing,
          .precision = precision(model)};
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

nn::ModelConfig model_config(const Config& config, const Shape& example, std::size_t classes) {
  if (config.model.kind == "cnn") return cnn(config.model, example, classes);
  if (config.model.kind == "gpt") return gpt(config, classes);
  if (config.model.kind == "llama") return llama(config, classes);
  return mlp(config.model, example, classes);
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

}  // namespace palinode::experiments::train
