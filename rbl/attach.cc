#include "rbl/attach.h"

#include <utility>

#include "tensor/error.h"

namespace palinode::rbl {

Attached::Attached(const nn::Model& model, std::shared_ptr<const nn::Seam> behavior)
    : model_(&model), behavior_(std::move(behavior)) {
  if (behavior_ == nullptr) throw NameError("attach: there is no behavior");
}

const std::shared_ptr<const nn::Seam>& Attached::behavior() const {
  if (behavior_ == nullptr) throw NameError("attached: the behavior was detached");
  return behavior_;
}

Var Attached::forward(nn::Run& run, Var x) const {
  nn::Run with_behavior(run, *behavior());
  return model_->forward(with_behavior, x);
}

Attached attach(const nn::Model& model, std::shared_ptr<const nn::Seam> behavior) {
  return {model, std::move(behavior)};
}

std::shared_ptr<const nn::Seam> detach(Attached attached) {
  const std::shared_ptr<const nn::Seam> behavior = attached.behavior();
  attached.behavior_ = nullptr;
  return behavior;
}

}  // namespace palinode::rbl
