#include "nn/linear.h"

#include <cmath>
#include <utility>

namespace palinode::nn {

Linear::Linear(const Store& store, std::string name, LinearSize size)
    : store_(&store),
      name_(std::move(name)),
      weight_(name_ + ".weight"),
      bias_(name_ + ".bias"),
      size_(size) {}

void Linear::init(Proposal& proposal, const Rng& rng, Dtype dtype) const {
  const double bound = 1.0 / std::sqrt(static_cast<double>(size_.in));
  const auto add = [&](const std::string& name, const Shape& shape) {
    const Tensor value = rng.stream(name).uniform(shape, dtype, -bound, bound);
    proposal.writes.push_back({store_, name, value, true});
  };
  add(weight_, {size_.in, size_.out});
  add(bias_, {size_.out});
}

Var Linear::operator()(Run& run, Var x) const {
  // One statement each: C++ does not say which argument of a call is evaluated first.
  const Var weight = run.parameter(*store_, weight_);
  const Var bias = run.parameter(*store_, bias_);
  const Var y = linear(x, weight, bias);
  return run.at(name_, x, y);
}

}  // namespace palinode::nn
