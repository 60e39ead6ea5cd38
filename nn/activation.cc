#include "nn/activation.h"

#include "tensor/error.h"

namespace palinode::nn {

Var activate(Activation activation, Var x, Precision precision) {
  switch (activation) {
    case Activation::kTanh:
      return tanh(x, precision);
    case Activation::kRelu:
      return relu(x);
    case Activation::kGelu:
      return gelu_tanh(x, precision);
    case Activation::kSigmoid:
      return sigmoid(x, precision);
    case Activation::kSilu:
      return silu(x, precision);
  }
  PALINODE_ASSERT(false);
}

}  // namespace palinode::nn
