// Definitions of the operations that move, join, pick and repeat values, and of those over windows
// and batches, a second time: by places, in f64. The others are in tests/autograd/op_value_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "autograd/op_spec.h"

namespace palinode {

using Values = std::vector<double>;
using Definition = std::function<Values(const Sample&)>;

const std::map<std::string, Definition>& more_definitions();

}  // namespace palinode
