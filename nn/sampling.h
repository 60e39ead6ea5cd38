// Sampling: which token follows, given a model's logits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/tensor.h"

namespace palinode::nn {

struct Sampling {
  double temperature = 1;  // logits are divided by it; 0 takes the most probable token
  std::size_t top_k = 0;   // of the k most probable tokens only; 0 for all
  // Of the fewest most probable tokens that together have this probability (nucleus sampling,
  // Holtzman et al., arXiv:1904.09751).
  double top_p = 1;
};

// The token for a number u in [0, 1). logits [vocab] or [1, vocab], f32 or f64.
//
// In f64: tokens are sorted by descending logit, equal ones by ascending number; the first k are
// kept; e = exp((l - max) / temperature) is summed one by one; top_p keeps the shortest prefix
// whose sum is at least top_p times the whole; the token is the first whose running sum is above u
// times the sum of what was kept. Throws NonFiniteError for a NaN or an infinite largest logit,
// ShapeError for no logits or settings out of range.
std::int32_t sample(const Tensor& logits, const Sampling& sampling, double u);

}  // namespace palinode::nn
