#include "nn/layer_norm.h"

namespace palinode::nn {

LayerNorm::LayerNorm(const Store& store, const std::string& name, std::size_t width, double eps)
    : store_(&store), weight_(name + ".weight"), bias_(name + ".bias"), width_(width), eps_(eps) {}

Var LayerNorm::operator()(Run& run, Var x) const {
  const Var gamma = run.parameter(*store_, weight_);
  const Var beta = run.parameter(*store_, bias_);
  return layer_norm(x, gamma, beta, eps_);
}

void LayerNorm::declare(Parameters& parameters) const {
  parameters.push_back({store_, weight_, Shape{width_}, ones()});
  parameters.push_back({store_, bias_, Shape{width_}, zeros()});
}

}  // namespace palinode::nn
