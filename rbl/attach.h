// attach and detach: f(x; theta) <-> f(x; theta, phi).
//
// Attaching builds a new function over a model that stays const; detaching gives phi back and drops
// the function. The model has nothing to undo, which is why what it computes afterwards is the same
// to the last bit.
//
// What is attached may be attached to again, and is unloaded last first: using a function whose
// inner behavior is gone throws NameError. Behaviors come in the order in which they were attached:
// a later one is given what the earlier ones return.
#pragma once

#include <memory>

#include "nn/run.h"
#include "rbl/behavior.h"

namespace palinode::rbl {

class Attached : public nn::Model {
 public:
  Var forward(nn::Run& run, Var x) const override;
  // Throws NameError once the behavior was detached.
  const std::shared_ptr<const nn::Seam>& behavior() const;

 private:
  friend Attached attach(const nn::Model& model, std::shared_ptr<const nn::Seam> behavior);
  friend std::shared_ptr<const nn::Seam> detach(Attached attached);
  Attached(const nn::Model& model, std::shared_ptr<const nn::Seam> behavior);

  const nn::Model* model_;
  std::shared_ptr<const nn::Seam> behavior_;  // none once detached
};

// A behavior, or a composition of some (compose.h). The model must outlive what is attached to it,
// so a temporary is refused. Throws NameError if there is no behavior.
Attached attach(const nn::Model& model, std::shared_ptr<const nn::Seam> behavior);
Attached attach(const nn::Model&& model, std::shared_ptr<const nn::Seam> behavior) = delete;

// The unload operator K of the paper.
std::shared_ptr<const nn::Seam> detach(Attached attached);

}  // namespace palinode::rbl
