// Activation: the function between layers, chosen by a model's configuration.
#pragma once

#include <cstdint>

#include "autograd/ops.h"

namespace palinode::nn {

enum class Activation : std::uint8_t {
  kTanh,
  kRelu,
  kGelu,
  kSigmoid,
  kSilu
};  // gelu_tanh is kGelu

// `precision` is of no matter to relu.
Var activate(Activation activation, Var x, Precision precision);

}  // namespace palinode::nn
