// Embedding: a row of a table for each token; and the head that reads the same table.
#pragma once

#include <cstddef>
#include <string>

#include "nn/network.h"

namespace palinode::nn {

struct EmbeddingConfig {
  std::size_t entries = 0;  // vocabulary, or positions
  std::size_t width = 0;
  Init init = normal(1);  // as in PyTorch
};

// Reads `name.weight` [entries, width].
class Embedding {
 public:
  Embedding(const Store& store, std::string name, const EmbeddingConfig& config);

  // ids i32 [...] -> [..., width]. Throws ShapeError for an id out of range.
  Var operator()(Run& run, const Tensor& ids) const;
  // The tied head: x [rows, width] -> x W^T [rows, entries] (Press and Wolf, arXiv:1608.05859).
  Var head(Run& run, Var x) const;

  void declare(Parameters& parameters) const;

 private:
  const Store* store_;
  std::string weight_;
  EmbeddingConfig config_;
};

}  // namespace palinode::nn
