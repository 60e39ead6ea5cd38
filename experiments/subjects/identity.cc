#include "experiments/subjects/identity.h"

#include "rbl/metrics.h"
#include "tensor/error.h"

namespace palinode::experiments {

std::string_view mechanism_name(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::kSgd:
      return "sgd";
    case Mechanism::kMomentum:
      return "momentum";
    case Mechanism::kAdam:
      return "adam";
    case Mechanism::kAdamW:
      return "adamw";
    case Mechanism::kPolicyGradient:
      return "policy-gradient";
  }
  PALINODE_ASSERT(false);
}

double score(const nn::Model& function, const Labelled& examples) {
  return rbl::accuracy(nn::evaluate(function, examples.x), examples.y);
}

rbl::Loss task_loss(const Task& task, const Rng& stream, std::size_t batch) {
  return
      [at = task.batches(stream, batch)](nn::Run& run, const nn::Model& function, std::uint64_t t) {
        const Labelled now = at(t);
        return cross_entropy(function.forward(run, run.tape().constant(now.x)), now.y);
      };
}

void finish(Identity& identity) {
  identity.ledger->freeze(*identity.theta);
  identity.seen = rbl::observe(*identity.network, *identity.theta, identity.probes);
  identity.task_metric = score(*identity.network, identity.shifted().held_out);
  identity.identity_metric = score(*identity.network, identity.original.held_out);
}

}  // namespace palinode::experiments
