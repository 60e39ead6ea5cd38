// attach and detach: f(x; theta) <-> f(x; theta, phi).
//
// Attaching builds a new function over a model that stays const; detaching gives phi back and drops
// the function. The model has nothing to undo, which is why what it computes afterwards is the same
// to the last bit.
//
// What is attached may be attached to again: a later behavior adds to what the earlier ones return.
#pragma once

#include "nn/run.h"
#include "rbl/lora.h"

namespace palinode::rbl {

class Attached : public nn::Model {
 public:
  Var forward(nn::Run& run, Var x) const override;
  const Lora& behavior() const { return behavior_; }

 private:
  friend Attached attach(const nn::Model& model, Lora behavior);
  friend Lora detach(Attached attached);
  Attached(const nn::Model& model, Lora behavior);

  const nn::Model* model_;
  Lora behavior_;
};

Attached attach(const nn::Model& model, Lora behavior);

// The unload operator K of the paper.
Lora detach(Attached attached);

}  // namespace palinode::rbl
