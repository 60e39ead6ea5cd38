#include "rbl/attach.h"

#include <utility>

namespace palinode::rbl {

Attached::Attached(const nn::Model& model, Lora behavior)
    : model_(&model), behavior_(std::move(behavior)) {}

Var Attached::forward(nn::Run& run, Var x) const {
  nn::Run with_behavior(run.tape(), &behavior_);
  return model_->forward(with_behavior, x);
}

Attached attach(const nn::Model& model, Lora behavior) { return {model, std::move(behavior)}; }

Lora detach(Attached attached) { return std::move(attached.behavior_); }

}  // namespace palinode::rbl
