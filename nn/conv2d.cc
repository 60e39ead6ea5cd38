#include "nn/conv2d.h"

#include <utility>

namespace palinode::nn {

Conv2d::Conv2d(const Store& store, std::string name, const Conv2dConfig& config)
    : store_(&store),
      name_(std::move(name)),
      weight_(name_ + ".weight"),
      bias_(name_ + ".bias"),
      config_(config) {}

Var Conv2d::operator()(Run& run, Var x) const {
  x = run.before(name_, x);
  const Var weight = run.parameter(*store_, weight_);
  const Var bias = run.parameter(*store_, bias_);
  const Var y = conv2d(x, weight, bias, config_.steps);
  return run.at(name_, x, y);
}

void Conv2d::declare(Parameters& parameters) const {
  const std::size_t kernel = config_.kernel;
  const Init init = uniform_fan_in(kernel * kernel * config_.in);
  parameters.push_back(
      {store_, weight_, Shape{kernel, kernel, config_.in, config_.out}, init, Layout::kConv});
  parameters.push_back({store_, bias_, Shape{config_.out}, init});
}

}  // namespace palinode::nn
