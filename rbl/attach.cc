#include "rbl/attach.h"

#include <utility>

#include "tensor/error.h"

namespace palinode::rbl {
Attached::Attached(const nn::Model& model, Lora behavior)
    : model_(&model), behavior_(std::make_unique<Lora>(std::move(behavior))) {}

const Lora& Attached::behavior() const {
  if (behavior_ == nullptr) throw NameError("attached: the behavior was detached");
  return *behavior_;
}

Var Attached::forward(nn::Run& run, Var x) const {
  nn::Run with_behavior(run, behavior());
  return model_->forward(with_behavior, x);
}

Attached attach(const nn::Model& model, Lora behavior) { return {model, std::move(behavior)}; }

Lora detach(Attached attached) { return attached.behavior(); }

}  // namespace palinode::rbl
