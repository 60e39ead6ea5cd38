// One pass over a value that is about to be written: it is made in fresh memory, and while each
// piece is in the cache it is digested and compared with the value it replaces. Private to the
// ledger.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "tensor/inline_vector.h"
#include "tensor/kernels/change.h"
#include "tensor/proposal.h"
#include "tensor/tensor.h"

namespace palinode {

struct Written {
  Tensor value;
  kernels::Change change = {};  // from the old value; from zeros if there is none
  std::optional<Xxh3Digest> digest = {};
  bool finite = true;
};

// What is wanted besides the values; what is not is left as it is above.
struct WritePass {
  bool change = false;
  bool digest = false;
  bool finite = false;  // whether the values are; comes with `change`
};

// How many moments a rule keeps. SGD: none, or {v}; Adam: {m, v}; RMSProp: {s}, then m if centered,
// then v with momentum.
std::size_t moments_of(const Rule& rule);

// A copy of `value`, to replace `old` (none: a new entry).
Written copy_value(const Tensor* old, const Tensor& value, WritePass pass);

// The new parameter and the new moments, in the order of step.moments: as many as the rule has.
// Everything has the shape and the float dtype of `weight`; a moment that does not exist yet is
// given as zeros.
InlineVector<Written, 1 + kMaxMoments> take_step(const Step& step, const Tensor& weight,
                                                 std::span<const Tensor> moments, WritePass pass);

}  // namespace palinode
