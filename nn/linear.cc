#include "nn/linear.h"

#include <utility>

namespace palinode::nn {

Linear::Linear(const Store& store, std::string name, const LinearConfig& config)
    : store_(&store),
      name_(std::move(name)),
      weight_(name_ + ".weight"),
      bias_(name_ + ".bias"),
      config_(config) {}

void Linear::declare(Parameters& parameters) const {
  const Init usual = uniform_fan_in(config_.in);
  parameters.push_back({store_, weight_, Shape{config_.in, config_.out},
                        config_.weight_init.value_or(usual), Layout::kLinear});
  if (!config_.bias) return;
  parameters.push_back({store_, bias_, Shape{config_.out}, config_.bias_init.value_or(usual)});
}

void Linear::init(Proposal& proposal, const Rng& rng, Dtype dtype) const {
  Parameters parameters;
  declare(parameters);
  add_initial(proposal, parameters, rng, dtype);
}

Var Linear::operator()(Run& run, Var x) const {
  x = run.before(name_, x);
  const Var weight = run.parameter(*store_, weight_);
  if (!config_.bias) {
    if (const auto change = run.low_rank(name_)) {
      const Var y = linear_low_rank(x, weight, change->a, change->b, change->factor);
      return run.at_outside(name_, x, y);
    }
    const Var y = matmul(x, weight);
    return run.at(name_, x, y);
  }
  const Var bias = run.parameter(*store_, bias_);
  if (const auto change = run.low_rank(name_)) {
    const Var y = linear_low_rank(x, weight, bias, change->a, change->b, change->factor);
    return run.at_outside(name_, x, y);
  }
  const Var y = linear(x, weight, bias);
  return run.at(name_, x, y);
}

}  // namespace palinode::nn
