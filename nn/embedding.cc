#include "nn/embedding.h"

namespace palinode::nn {

Embedding::Embedding(const Store& store, std::string name, const EmbeddingConfig& config)
    : store_(&store), weight_(std::move(name) + ".weight"), config_(config) {}

Var Embedding::operator()(Run& run, const Tensor& ids) const {
  const Var weight = run.parameter(*store_, weight_);
  return embedding(weight, ids);
}

Var Embedding::head(Run& run, Var x) const {
  const Var weight = run.parameter(*store_, weight_);
  const Var columns = transpose(weight);
  return matmul(x, columns);
}

void Embedding::declare(Parameters& parameters) const {
  parameters.push_back({store_, weight_, Shape{config_.entries, config_.width}, config_.init});
}

}  // namespace palinode::nn
