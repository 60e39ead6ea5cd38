// The arms with settings of their own (rollback.h makes the others). Each is documented in its file
// beside this one; docs/rollback.md has what they keep, cost and reach.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "optim/reversible.h"
#include "optim/reversible_adam.h"
#include "rbl/anchor.h"
#include "rbl/course.h"
#include "rbl/merge.h"
#include "rbl/quantize.h"
#include "rbl/rollback.h"

namespace palinode::rbl {

// R2: needs after_step after every commit of the adaptation. undo throws Error for a theta that is
// not what the journal ends at; `after` for a write it was not told of.
std::unique_ptr<Rollback> journal();

// R4: the difference with each element multiplied by 1 + fraction * N(0, 1), or stored in fewer
// bits, or both.
struct LossyDelta {
  double noise = 0;
  Storage storage = Storage::kFull;
  Rng rng = Rng(0);
};
std::unique_ptr<Rollback> subtract_lossy_delta(const LossyDelta& config);

// R5: d = A(theta') - theta', the adaptation's own course A run again from theta'; theta' - d.
std::unique_ptr<Rollback> subtract_estimated_delta(const Course& adaptation);
std::unique_ptr<Rollback> subtract_estimated_delta(Training adaptation);

// R6 of a course on original data.
std::unique_ptr<Rollback> fine_tune_back(const Course& original);

// R7: KL(f0 || f) on original inputs x [n, ...], of which log_p, f0's log-probabilities [n *
// answers, classes], are kept: one answer to an image, one to each token of a text. Batches go
// through all inputs in a new order each time.
struct Distillation {
  Tensor inputs;
  Tensor log_p;  // kept as f32
  std::size_t batch = 32;
  std::uint64_t steps = 0;
  MakeOptimizer optimizer;
  Rng rng = Rng(0);
};
std::unique_ptr<Rollback> distil_back(const Distillation& config);

// R8: climbs the loss of the adaptation, which a Training has to do of itself. It ends where a step
// is refused because its values would not be finite.
std::unique_ptr<Rollback> gradient_ascent(const Course& adaptation);
std::unique_ptr<Rollback> gradient_ascent(Training climb);

// R9 to R11 without the lost bits. They stop where a value would no longer be finite; the price's
// passes then say how far they came.
struct Replay {
  Loss loss;  // of the adaptation
  std::uint64_t steps = 0;
  optim::Schedule lr = 1e-2;
};
// R9: w = w' + lr g(w) by at most `iterations` passes a step, fewer once no bit moves.
std::unique_ptr<Rollback> reverse_sgd(const Replay& replay, std::uint64_t iterations = 50);
// R10 and R11 need after_optimizer with the state of optim::Sgd with momentum, and of optim::Adam.
std::unique_ptr<Rollback> reverse_momentum(const Replay& replay, double momentum = 0.9);
std::unique_ptr<Rollback> reverse_adam(const Replay& replay, const optim::AdamConfig& config = {});

// R10 and R11 with the lost bits: exact for any number of steps. The adaptation ran one of these
// optimizers, whose state after_optimizer is given. before(theta) is told of theta before begin().
std::unique_ptr<Rollback> reverse_exactly(const Loss& loss, const optim::ReversibleConfig& config);
std::unique_ptr<Rollback> reverse_exactly(const Loss& loss,
                                          const optim::ReversibleAdamConfig& config);

// R12 for weights in narrower storage.
std::unique_ptr<Rollback> subtract_seeded_noise(double alpha, const Rng& rng, Storage storage);

// R13: the adaptation was held by `anchor`. undo does nothing.
std::unique_ptr<Rollback> anchored(const Anchor& anchor);

// R14: subtracts a merged delta; with more cycles, adds and subtracts it again that often.
std::unique_ptr<Rollback> subtract_merged(const LowRankDelta& delta, const MergeConfig& config,
                                          std::uint64_t cycles = 1);

// R15: theta' and these, the other models merged from the same theta with deltas of `rank`.
struct SiblingConfig {
  std::size_t rank = 4;
  std::uint64_t iterations = 300;  // at most; fewer once theta moves by less than `tolerance`
  double tolerance = 1e-9;         // of its norm
};
std::unique_ptr<Rollback> recover_from_siblings(const std::vector<const Store*>& siblings,
                                                const SiblingConfig& config);

// R16: keeps a share of theta: the elements that changed most, each with its index, or whole
// tensors, those first whose mean square changed most, as long as they fit.
enum class Grain : std::uint8_t { kElement, kTensor };
std::unique_ptr<Rollback> partial_snapshot(double share, Grain grain);

// R18: `init` proposes theta's first values, then the course it was trained by.
std::unique_ptr<Rollback> retrain(const std::function<Proposal(const Store& theta)>& init,
                                  const Course& original);
std::unique_ptr<Rollback> retrain(const std::function<Proposal(const Store& theta)>& init,
                                  Training original);

}  // namespace palinode::rbl
