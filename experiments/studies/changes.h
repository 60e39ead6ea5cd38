// Changes of theta that more than one study makes, beside those of learn(): each is what an arm of
// its own undoes (R12: noise, R13: a held adaptation, R14 and R15: merged behaviors, R10 and R11
// with the lost bits: a reversible optimizer).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "experiments/studies/recast.h"
#include "experiments/studies/trial.h"
#include "rbl/anchor.h"
#include "rbl/merge.h"

namespace palinode::experiments {

// w + alpha N(0, 1), rounded to the storage.
Change add_noise(double alpha, const Rng& stream, rbl::Storage storage = rbl::Storage::kFull);

// Adam on the shifted task, its course being that of the stream, with the anchor's penalty; without
// one for no anchor, which outlives the change.
Change learn_held(const Identity& identity, const rbl::Anchor* anchor, const Rng& stream,
                  const Goal& goal);

// Learns the shifted task to its score as `mechanism` does, by the optimizer that can be played
// backwards: momentum with an optim::ReversibleConfig, Adam with an optim::ReversibleAdamConfig.
Change learn_reversibly(const Identity& identity, const rbl::Loss& loss,
                        const optim::ReversibleConfig& config);
Change learn_reversibly(const Identity& identity, const rbl::Loss& loss,
                        const optim::ReversibleAdamConfig& config);

// A LoRA of a rank, its alpha the rank, that learned a task by Adam, as a difference of theta.
struct LearnedDelta {
  rbl::LowRankDelta delta;
  Adapted adapted;
};
LearnedDelta learn_delta(const Identity& identity, const Task& task, double rank,
                         const Rng& stream);

// theta + delta, rounded as the configuration says; the steps are those the delta took.
Change merge(const LearnedDelta& learned, const rbl::MergeConfig& config = {});

// The original inputs with labels moved by number + 1: as many tasks as there are classes less one.
Task moved_task(const Identity& identity, std::size_t number);

// Models merged from theta with deltas of the moved tasks 1 to count; stream i is the i-th child.
std::vector<std::unique_ptr<Fork>> merged_siblings(const Identity& identity, std::size_t count,
                                                   double rank, const Rng& stream);
// The stores of the first `count`.
std::vector<const Store*> stores_of(const std::vector<std::unique_ptr<Fork>>& forks,
                                    std::size_t count);

}  // namespace palinode::experiments
