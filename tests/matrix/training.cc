#include "tests/matrix/training.h"

namespace palinode::matrix {

Training::Training()
    : theta_(ledger_.open("theta", Role::kIdentity)),
      state_(ledger_.open("adam.theta", Role::kOptimizer)),
      adam_(state_, theta_, {.lr = 3e-3}) {}

void Training::step(const nn::Model& model, const Batch& batch, const Rng& dropout) {
  Tape tape;
  nn::Run run(tape, {.mode = nn::Mode::kTrain, .rng = &dropout});
  const Var loss = cross_entropy(model.forward(run, tape.constant(batch.x)), batch.labels);
  losses_.push_back(loss.value().item());
  Proposal proposal = adam_.propose(backward(loss));
  run.add_buffers(proposal);
  ledger_.commit(proposal);
}

Sha256Digest Training::digest() const {
  Sha256 sha;
  sha.add(leaf_digest("losses", Tensor::from<double>(losses_, {losses_.size()})));
  sha.add(fingerprint(theta_)).add(fingerprint(state_)).add(ledger_.head());
  return sha.finish();
}

}  // namespace palinode::matrix
