// attach and detach: f(x; theta) <-> f(x; theta, phi).
//
// Attaching builds a new function over a model that stays const; detaching gives phi back and drops
// the function. The model has nothing to undo, which is why what it computes afterwards is the same
// to the last bit.
//
// What is attached may be attached to again, and is unloaded last first: using a function whose
// inner behavior is gone throws NameError. A later behavior adds to what the earlier ones return.
#pragma once

#include <memory>

#include "nn/run.h"
#include "rbl/lora.h"

namespace palinode::rbl {

class Attached : public nn::Model {
 public:
  // The behavior changes a layer's output before what the run has attached already.
  Var forward(nn::Run& run, Var x) const override;
  // Throws NameError once the behavior was detached.
  const Lora& behavior() const;

 private:
  friend Attached attach(const nn::Model& model, Lora behavior);
  friend Lora detach(Attached attached);
  Attached(const nn::Model& model, Lora behavior);

  const nn::Model* model_;
  std::unique_ptr<Lora> behavior_;  // none once detached
};

// The model must outlive what is attached to it, so a temporary is refused.
Attached attach(const nn::Model& model, Lora behavior);
Attached attach(const nn::Model&& model, Lora behavior) = delete;

// The unload operator K of the paper.
Lora detach(Attached attached);

}  // namespace palinode::rbl
