#include "nn/feed_forward.h"

namespace palinode::nn {
namespace {

LinearConfig reading(const FeedForwardConfig& config, bool bias) {
  return {config.width, config.hidden, bias, config.init, zeros()};
}
LinearConfig adding(const FeedForwardConfig& config, bool bias) {
  return {config.hidden, config.width, bias, config.init_down, zeros()};
}

}  // namespace

FeedForward::FeedForward(const Store& store, const std::string& name,
                         const FeedForwardConfig& config)
    : up_(store, name + ".up", reading(config, true)),
      down_(store, name + ".down", adding(config, true)),
      precision_(config.precision) {}

Var FeedForward::operator()(Run& run, Var x) const {
  const Var hidden = up_(run, x);
  const Var active = activate(Activation::kGelu, hidden, precision_);
  return down_(run, active);
}

void FeedForward::declare(Parameters& parameters) const {
  for (const Linear* layer : {&up_, &down_}) layer->declare(parameters);
}

void FeedForward::name_sites(std::vector<std::string>& sites) const {
  for (const Linear* layer : {&up_, &down_}) sites.push_back(layer->name());
}

SwiGlu::SwiGlu(const Store& store, const std::string& name, const FeedForwardConfig& config)
    : gate_(store, name + ".gate", reading(config, false)),
      up_(store, name + ".up", reading(config, false)),
      down_(store, name + ".down", adding(config, false)),
      precision_(config.precision) {}

Var SwiGlu::operator()(Run& run, Var x) const {
  const Var gate = gate_(run, x);
  const Var open = activate(Activation::kSilu, gate, precision_);
  const Var up = up_(run, x);
  const Var hidden = mul(open, up);
  return down_(run, hidden);
}

void SwiGlu::declare(Parameters& parameters) const {
  for (const Linear* layer : {&gate_, &up_, &down_}) layer->declare(parameters);
}

void SwiGlu::name_sites(std::vector<std::string>& sites) const {
  for (const Linear* layer : {&gate_, &up_, &down_}) sites.push_back(layer->name());
}

}  // namespace palinode::nn
