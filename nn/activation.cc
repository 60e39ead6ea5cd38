#include "nn/activation.h"

#include "tensor/error.h"

namespace palinode::nn {

Var activate(Activation activation, Var x, Precision) {
  switch (activation) {
    case Activation::kTanh:
      return tanh(x);
    case Activation::kRelu:
      return relu(x);
    case Activation::kGelu:
      return gelu_tanh(x);
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kSilu:
      return mul(x, sigmoid(x));
  }
  PALINODE_ASSERT(false);
}

}  // namespace palinode::nn
