#include "nn/rms_norm.h"

namespace palinode::nn {

RmsNorm::RmsNorm(const Store& store, const std::string& name, std::size_t width, double eps)
    : store_(&store), weight_(name + ".weight"), width_(width), eps_(eps) {}

Var RmsNorm::operator()(Run& run, Var x) const {
  const Var gamma = run.parameter(*store_, weight_);
  return rms_norm(x, gamma, eps_);
}

void RmsNorm::declare(Parameters& parameters) const {
  parameters.push_back({store_, weight_, Shape{width_}, ones()});
}

}  // namespace palinode::nn
