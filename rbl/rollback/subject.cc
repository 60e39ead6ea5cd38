#include <utility>

#include "rbl/rollback.h"

namespace palinode::rbl {

Subject::Subject(Ledger& ledger, const Store& theta, const nn::Model& model,
                 std::shared_ptr<const nn::Seam> behavior)
    : ledger_(&ledger), theta_(&theta), model_(&model) {
  if (behavior) attached_.emplace(attach(model, std::move(behavior)));
}

const nn::Model& Subject::function() const { return attached_ ? *attached_ : *model_; }

void Subject::unload() {
  if (attached_) detach(std::move(*attached_));
  attached_.reset();
}

}  // namespace palinode::rbl
