// Searching for the input on which two functions differ most: max over x of KL(f0(x) || f1(x)). A
// fixed list of probes finds what it happens to touch; a rollback that fits the function on those
// probes and nowhere else is found by looking for where it does not.
//
// Both searches are deterministic, and monotone: a step is taken only where it raises the
// divergence, computed in f64, so what they return is never below the best of their start points.
// It is a lower bound of the true maximum, which they do not claim to find.
#pragma once

#include <cstddef>

#include "nn/run.h"
#include "tensor/rng.h"

namespace palinode::rbl {

struct WorstInput {
  Tensor input;                 // the input found, with a first axis of 1
  double kl = 0;                // nats; of a sequence the mean over its rows of output
  double best_start = 0;        // the largest among the start points
  std::size_t start = 0;        // the start point it was found from: given ones first
  std::size_t evaluations = 0;  // inputs on which both functions ran
};

struct AscentConfig {
  double low = 0, high = 1;        // the box every value stays in
  std::size_t steps = 60;          // of gradient ascent from each start point
  std::size_t random_starts = 16;  // besides those given, uniform in the box
  double first_step = 0.1;         // length, as a share of the box's diagonal
};

// Projected gradient ascent from many start points at once (as in Madry et al., arXiv:1706.06083,
// on KL in place of a loss): x' = clamp(x + s g / ||g||), taken if it is better; s grows by half
// then, and is halved otherwise. Where the gradient is 0, as where both functions agree, the
// direction is random. Random starts are the stream `rng/start`, directions `rng/kick/<step>`.
//   starts [n, ...], f32 or f64, n >= 0; both functions map rows to rows, each by itself
// Throws ShapeError if there are no starts at all or the box is empty or infinite, Error naming a
// start that is outside of the box.
WorstInput worst_input(const nn::Model& f0, const nn::Model& f1, const Tensor& starts,
                       const AscentConfig& config, const Rng& rng);

struct TokenSearchConfig {
  std::size_t vocab = 0;
  std::size_t sweeps = 2;         // over all places of a sequence
  std::size_t random_starts = 4;  // besides those given
  // Tokens tried at each place, drawn from the vocabulary; 0: all of them, and then the search from
  // one start ends early at a sequence that no change of one token makes worse.
  std::size_t candidates = 0;
};

// Greedy coordinate search over sequences of tokens: at each place in turn the best token is taken
// if it is better than the one there. Random starts are the stream `rng/start`, candidates
// `rng/candidates/<start>/<sweep>/<place>`.
//   starts i32 [n, time], time > 0; both functions map [b, time] to rows in the order of the
//   sequences, equally many for each
WorstInput worst_tokens(const nn::Model& f0, const nn::Model& f1, const Tensor& starts,
                        const TokenSearchConfig& config, const Rng& rng);

}  // namespace palinode::rbl
