// Theta read from a copy of it, and behaviors added to the copy's weights.
#pragma once

#include <string>

#include "rbl/runtime/roster.h"

namespace palinode::rbl {

// A seam that reads `copy` wherever a layer reads theta.
SeamPointer reading(const Store& theta, const Store& copy);

// Whether a behavior of this kind is a sum with weights.
bool mergeable(std::string_view kind);
// One of theta's parameters with the behavior added, in the parameter's type: for low rank
// w + scaling * (A B), rounded at each operation. Itself if the behavior leaves it alone.
Tensor with_behavior(const Behavior& behavior, const std::string& name, const Tensor& value);

}  // namespace palinode::rbl
