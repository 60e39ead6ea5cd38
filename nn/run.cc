#include "nn/run.h"

namespace palinode::nn {

Tensor evaluate(const Model& model, const Tensor& x) {
  Tape tape;
  Run run(tape);
  return model.forward(run, tape.constant(x)).value();
}

}  // namespace palinode::nn
