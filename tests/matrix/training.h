// What every training run of the determinism program shares: the step, and the digest of what a run
// leaves behind.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/run.h"
#include "optim/adam.h"
#include "tensor/ledger.h"
#include "tensor/rng.h"

namespace palinode::matrix {

// A batch of rows with their classes.
struct Batch {
  Tensor x;       // [rows, in]
  Tensor labels;  // i32 [rows]
};

class Training {
 public:
  // The ledger and the store "theta" of the weights; nothing is in it yet.
  Training();

  Ledger& ledger() { return ledger_; }
  const Store& theta() const { return theta_; }

  // One step of Adam on the mean cross-entropy of the batch; what the pass drops is drawn from
  // `dropout`.
  void step(const nn::Model& model, const Batch& batch, const Rng& dropout = Rng(0));

  // SHA-256 over the losses so far, the weights, Adam's state and the head of the ledger.
  Sha256Digest digest() const;

 private:
  Ledger ledger_{Ledger::Level::kDigest};
  const Store& theta_;
  const Store& state_;
  optim::Adam adam_;
  std::vector<double> losses_;
};

}  // namespace palinode::matrix
