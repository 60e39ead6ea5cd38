// Dropout: in train mode each element is zero with the given probability and otherwise divided by
// 1 - probability (Srivastava et al., JMLR 15, 2014); in eval mode nothing happens.
#pragma once

#include <string>

#include "nn/run.h"

namespace palinode::nn {

// Element i of the layer `name`, in the whole batch if x is a shard of it, drops by number i of the
// stream `name` of the run's rng, so the mask of a step depends on nothing else.
class Dropout {
 public:
  // Throws ShapeError unless 0 <= probability < 1.
  Dropout(std::string name, double probability);

  Var operator()(Run& run, Var x) const;  // throws NameError in train mode without an rng

 private:
  std::string name_;
  double probability_;
};

}  // namespace palinode::nn
