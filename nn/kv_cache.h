// KvCache: the keys and values of the tokens a language model has seen, so that the next token
// costs one row.
//
// Good for one function only: settings, weights and behaviors. Their key (content_key and
// Seam::key) is taken at first use, and a pass of another function is refused, so a cache cannot
// outlive an attach, a detach or a step of training.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "nn/run.h"

namespace palinode::nn {

class KvCache {
 public:
  struct Layer {
    Tensor keys, values;  // [batch * length, width], compact
  };

  std::size_t length() const { return length_; }  // tokens held, of each sequence
  void clear() { *this = {}; }

  // For models. A pass begins by claiming the cache for its function and batch, extends each layer,
  // and ends by advancing; a pass that throws in between leaves the cache as it was.
  //
  // `settings` is whatever the function depends on besides. Throws StaleReadError if the cache
  // holds tokens of another function, ShapeError for another batch.
  void claim(const Store& store, const Run& run, std::size_t batch, const Sha256Digest& settings);
  // Layer `layer` of what is held and the new rows, k and v
  // [batch * time, width], compact.
  const Layer& extend(std::size_t layer, const Tensor& k, const Tensor& v);
  void advance(std::size_t time) { length_ += time; }

 private:
  std::vector<Layer> layers_;
  std::size_t length_ = 0;
  std::size_t batch_ = 0;
  std::optional<Sha256Digest> function_;
};

}  // namespace palinode::nn
