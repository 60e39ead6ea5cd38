#include "rbl/attach.h"

#include <utility>

#include "tensor/error.h"

namespace palinode::rbl {
namespace {

// A behavior and what was attached over it: the inner one changes the layer's output first.
class Stack : public nn::Seam {
 public:
  Stack(const nn::Seam& inner, const nn::Seam* outer) : inner_(&inner), outer_(outer) {}

  Var at(nn::Run& run, std::string_view site, Var input, Var output) const override {
    const Var changed = inner_->at(run, site, input, output);
    return outer_ == nullptr ? changed : outer_->at(run, site, input, changed);
  }

 private:
  const nn::Seam* inner_;
  const nn::Seam* outer_;
};

}  // namespace

Attached::Attached(const nn::Model& model, Lora behavior)
    : model_(&model), behavior_(std::make_unique<Lora>(std::move(behavior))) {}

const Lora& Attached::behavior() const {
  if (behavior_ == nullptr) throw NameError("attached: the behavior was detached");
  return *behavior_;
}

Var Attached::forward(nn::Run& run, Var x) const {
  const Stack stack(behavior(), run.seam());
  nn::Run with_behavior(run.tape(), &stack);
  return model_->forward(with_behavior, x);
}

Attached attach(const nn::Model& model, Lora behavior) { return {model, std::move(behavior)}; }

Lora detach(Attached attached) { return attached.behavior(); }

}  // namespace palinode::rbl
